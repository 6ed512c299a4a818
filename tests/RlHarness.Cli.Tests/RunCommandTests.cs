using System.Diagnostics;

namespace RlHarness.Cli.Tests;

/// <summary>Commands around a run, with a tiny one that is really trained: a few seconds.</summary>
[Trait("kind", "slow")]
public sealed class RunCommandTests
{
    private const string Tiny = """
        name: tiny
        threads: 1
        kernels: on
        device: cpu
        model:
          new:
            hidden_size: 16
            intermediate_size: 24
            num_hidden_layers: 1
            num_attention_heads: 2
            num_key_value_heads: 1
            vocab_size: 400
            max_position_embeddings: 640
        corpus: { transcripts: 60, preference_pairs: 40 }
        imitate: { batch_size: 8, epochs: 2, optimizer: { learning_rate: 3e-3 } }
        reward: { batch_size: 8, epochs: 2, optimizer: { learning_rate: 1e-3 } }
        rl:
          steps: 4
          prompts_per_step: 4
          max_new_tokens: 8
          epochs: 2
          minibatches: 2
          checkpoint_every: 2
          optimizer: { learning_rate: 1e-3 }
        evaluate: { queries: 4, every: 2 }
        """;

    private static void Damage(string file)
    {
        var bytes = File.ReadAllBytes(file);
        bytes[^1] ^= 1;
        File.WriteAllBytes(file, bytes);
    }

    [Fact]
    public void Checkpoints_and_cache_are_listed_verified_and_cleared()
    {
        using var folder = new TemporaryFolder();
        folder.Write("tiny.yaml", Tiny);
        Assert.Equal(0, Harness.Run(folder.Path, "train", "tiny.yaml").ExitCode);
        var run = Path.Combine("checkpoints", "tiny");

        var list = Harness.Run(folder.Path, "checkpoint", "list", run);
        Assert.Equal((0, ""), (list.ExitCode, list.Error));
        Assert.Equal(
            ["imitate", "reward", "rl step_000002", "rl step_000004 (newest)"],
            list.Output.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(l => l[..32].Trim())
        );
        var verify = Harness.Run(folder.Path, "checkpoint", "verify", run);
        Assert.Equal((0, 4), (verify.ExitCode, verify.Output.Split('\n').Count(l => l.EndsWith("  whole", StringComparison.Ordinal))));
        Damage(folder.At(run, "rl", "step_000004", "model.safetensors"));
        verify = Harness.Run(folder.Path, "checkpoint", "verify", run);
        Assert.Equal((1, 1), (verify.ExitCode, verify.Output.Split('\n').Count(l => l.EndsWith("  DAMAGED", StringComparison.Ordinal))));
        Assert.Contains(Path.Combine("step_000004", "model.safetensors"), verify.Error, StringComparison.Ordinal);
        // Only a list: it reads no file.
        Assert.Equal(0, Harness.Run(folder.Path, "checkpoint", "list", run).ExitCode);
        Harness.Run(folder.Path, "checkpoint", "list", "checkpoints").Fails(5, "not a run's folder");

        list = Harness.Run(folder.Path, "cache", "list");
        string[] entries = [.. list.Output.Split('\n', StringSplitOptions.RemoveEmptyEntries)];
        Assert.Equal(["imitate", "reward"], entries.Select(l => l.Split(' ')[0]));
        var keys = entries.Select(l => l.Split(' ', StringSplitOptions.RemoveEmptyEntries)[1]).ToArray();
        Assert.Equal(0, Harness.Run(folder.Path, "cache", "verify").ExitCode);
        Damage(folder.At("checkpoints", "cache", "reward", keys[1], "model.safetensors"));
        verify = Harness.Run(folder.Path, "cache", "verify");
        Assert.Equal(1, verify.ExitCode);
        Assert.Contains(keys[1], verify.Error, StringComparison.Ordinal);
        Harness.Run(folder.Path, "train", "tiny.yaml", "name=second").Fails(3, "a damaged entry of the stage cache", $"cache clear {keys[1]}");
        Harness.Run(folder.Path, "cache", "clear").Fails(2, "nothing to remove was named", "--all");
        Harness.Run(folder.Path, "cache", "clear", "0123").Fails(2, "no such entry", "0123", keys[0]);
        Assert.Equal(0, Harness.Run(folder.Path, "cache", "clear", keys[1]).ExitCode);
        Assert.Single(Harness.Run(folder.Path, "cache", "list").Output.Split('\n', StringSplitOptions.RemoveEmptyEntries));
        Assert.Equal(0, Harness.Run(folder.Path, "cache", "clear", "--all").ExitCode);
        Assert.Equal("the cache is empty", Harness.Run(folder.Path, "cache", "list").Output.Trim());
    }

    [Theory]
    [InlineData(10, 75)]
    [InlineData(15, 143)]
    [InlineData(2, 130)]
    [InlineData(1, 129)]
    public void A_signal_saves_the_run_and_has_a_code_of_its_own(int signal, int code)
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "signals are sent as Linux numbers them");
        using var folder = new TemporaryFolder();
        folder.Write("tiny.yaml", Tiny);
        using var run = new Child(folder.Path, "train", "tiny.yaml", "rl.steps=100000");
        run.WaitFor("step 2: AF");
        run.SendAfter(seconds: 0, signal);
        Assert.Equal(code, run.Wait());
        var latest = int.Parse(File.ReadAllText(folder.At("checkpoints", "tiny", "rl", "latest")).Trim()["step_".Length..]);
        Assert.True(latest >= 2, $"{latest}");
        Assert.Equal(0, Harness.Run(folder.Path, "checkpoint", "verify", Path.Combine("checkpoints", "tiny")).ExitCode);
        // After SIGHUP nobody reads.
        Assert.Equal(signal != 1, run.Said.Contains($"RL up to step {latest}. Go on with: rlharness resume", StringComparison.Ordinal));
        Assert.False(File.Exists(folder.At("checkpoints", "tiny", ".lock")));
    }

    [Fact]
    public void A_second_interrupt_ends_the_program_at_once_and_loses_nothing_that_was_saved()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "signals are sent as Linux numbers them");
        using var folder = new TemporaryFolder();
        folder.Write("tiny.yaml", Tiny);
        // An update that takes long enough for two signals to come within it: it is finished before a first one is obeyed.
        using var run = new Child(
            folder.Path,
            "train",
            "tiny.yaml",
            "rl.steps=100000",
            "rl.prompts_per_step=256",
            "rl.max_new_tokens=120",
            "rl.epochs=40",
            "rl.minibatches=16"
        );
        run.WaitFor("step 0: AF");
        run.SendAfter(seconds: 4, 2, 2);
        Assert.Equal(130, run.Wait());
        Assert.DoesNotContain("Go on with", run.Said, StringComparison.Ordinal);
        Assert.Equal(0, Harness.Run(folder.Path, "checkpoint", "verify", Path.Combine("checkpoints", "tiny")).ExitCode);
        Assert.Contains("tiny  stopped", Harness.Run(folder.Path, "status", "checkpoints").Output, StringComparison.Ordinal);
    }

    /// <summary>
    /// A disk of one size after another, so that it is full at one write after another: of the corpus, a row, a checkpoint, a stage, the report.
    /// </summary>
    [Fact]
    public void A_disk_that_is_full_stops_the_run_with_4_and_leaves_every_checkpoint_whole()
    {
        using var folder = new TemporaryFolder();
        var disk = Directory.CreateDirectory(folder.At("disk")).FullName;
        Assert.SkipUnless(OperatingSystem.IsLinux() && Mount("-t", "tmpfs", "-o", "size=2g", "tmpfs", disk), "mounting a small disk takes root on Linux");
        try
        {
            folder.Write("tiny.yaml", Tiny);
            Assert.Equal(0, Harness.Run(folder.Path, "train", "tiny.yaml", "name=whole", "output=disk").ExitCode);
            var all = (int)(Directory.EnumerateFiles(disk, "*", SearchOption.AllDirectories).Sum(f => new FileInfo(f).Length) >> 10);
            var full = 0;
            for (var (room, i) = (all / 50, 0); room < all; room += all / 9, i++)
            {
                foreach (var old in Directory.GetDirectories(disk))
                    Directory.Delete(old, recursive: true);
                var run = Path.Combine("disk", $"run{i}");
                using var child = new Child(folder.Path, "train", "tiny.yaml", $"name=run{i}", "output=disk");
                // What a run needs is compared with what there is before it starts; somebody else fills the disk then.
                child.WaitFor("[1/4]");
                var left = new DriveInfo(disk);
                // It is refused where the run has written meanwhile.
                Assert.Contains(Enumerable.Range(0, 20), _ => Mount("-o", $"remount,size={((left.TotalSize - left.TotalFreeSpace) >> 10) + room}k", disk));
                var code = child.Wait();
                Assert.True(Mount("-o", "remount,size=2g", disk));
                if (code == 0)
                    continue;
                full++;
                new Harness.Result(code, "", child.Said).Fails(4, "disk is full", "free some space");
                if (!File.Exists(folder.At(run, "run.json")))
                    continue;
                Assert.Equal(0, Harness.Run(folder.Path, "checkpoint", "verify", run).ExitCode);
                var result = Harness.Run(folder.Path, "resume", run);
                Assert.True(result.ExitCode == 0, $"{room} KiB of {all}: {result.Error}{result.Output}");
                Assert.Equal(0, Harness.Run(folder.Path, "checkpoint", "verify", run).ExitCode);
                Assert.Empty(Directory.GetFileSystemEntries(folder.At(run), "*.tmp", SearchOption.AllDirectories));
            }

            Assert.True(full > 4, $"{full} sizes of which {all} KiB is all that a run needs");
        }
        finally
        {
            using var unmount = Process.Start("umount", disk);
            unmount.WaitForExit();
        }
    }

    private static bool Mount(params string[] args)
    {
        try
        {
            using var mount = Process.Start(new ProcessStartInfo("mount", args) { RedirectStandardError = true })!;
            mount.WaitForExit();
            return mount.ExitCode == 0;
        }
        catch (System.ComponentModel.Win32Exception)
        {
            return false;
        }
    }

    /// <summary>The program as a child that gets real signals.</summary>
    private sealed class Child : IDisposable
    {
        private readonly Process _process;
        private readonly List<string> _said = [];

        internal Child(string folder, params string[] args)
        {
            var start = new ProcessStartInfo("dotnet")
            {
                WorkingDirectory = folder,
                RedirectStandardOutput = true,
                RedirectStandardError = true,
            };
            start.ArgumentList.Add(Path.Combine(AppContext.BaseDirectory, "rlharness.dll"));
            foreach (var arg in args)
                start.ArgumentList.Add(arg);
            _process = new Process { StartInfo = start };
            _process.OutputDataReceived += (_, e) => Hear(e.Data);
            _process.ErrorDataReceived += (_, e) => Hear(e.Data);
            _process.Start();
            _process.BeginOutputReadLine();
            _process.BeginErrorReadLine();
        }

        internal string Said
        {
            get
            {
                lock (_said)
                    return string.Join('\n', _said);
            }
        }

        internal void WaitFor(string words)
        {
            var patience = Stopwatch.StartNew();
            while (!Said.Contains(words, StringComparison.Ordinal))
            {
                Assert.False(_process.HasExited, Said);
                Assert.True(patience.Elapsed < TimeSpan.FromMinutes(4), Said);
                _process.WaitForExit(20);
            }
        }

        /// <summary>Sends signals, half a second apart: two of one kind at once are one.</summary>
        internal void SendAfter(int seconds, params int[] signals)
        {
            var kills = string.Join("; sleep 0.5; ", signals.Select(s => $"kill -{s} {_process.Id}"));
            using var shell = Process.Start("sh", ["-c", $"sleep {seconds}; {kills}"]);
            shell.WaitForExit();
            Assert.Equal(0, shell.ExitCode);
        }

        internal int Wait()
        {
            Assert.True(_process.WaitForExit(TimeSpan.FromMinutes(2)), Said);
            _process.WaitForExit();
            return _process.ExitCode;
        }

        public void Dispose()
        {
            if (!_process.HasExited)
            {
                _process.Kill();
                _process.WaitForExit();
            }

            _process.Dispose();
        }

        private void Hear(string? line)
        {
            if (line is not null)
                lock (_said)
                    _said.Add(line);
        }
    }
}
