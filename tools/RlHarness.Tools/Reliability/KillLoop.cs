using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;
using RlHarness.Core.Randomness;

namespace RlHarness.Tools.Reliability;

/// <summary>
/// Starts tiny runs as a job does (<c>train … --or-resume</c>), ends each process at a random moment, by SIGKILL or by a signal that it may answer, starts it
/// again until the run is finished, and compares all that it left with a run that was never stopped. Half of the moments are times, the others are counts of
/// changes to files in the run's folder, so that many fall on a checkpoint, a row or the report that is being written.
/// </summary>
/// <param name="program">The built program and its first arguments.</param>
/// <param name="folder">Where runs are written; emptied of each run that was right.</param>
internal sealed partial class KillLoop(IReadOnlyList<string> program, string folder, Seeds seeds, Action<string> say)
{
    /// <summary>All stages; 2 layers of width 16; about a second of work.</summary>
    private static readonly string[] Tiny =
    [
        "stages=[corpus, documents, imitate, reward, rl]",
        "model.new={hidden_size: 16, intermediate_size: 24, num_hidden_layers: 1, num_attention_heads: 2, num_key_value_heads: 1, vocab_size: 400}",
        "model.new.max_position_embeddings=640",
        "corpus={transcripts: 60, preference_pairs: 40, anti_lab_fraction: 0.1}",
        "documents={count: 20, batch_size: 8, epochs: 0.4, optimizer: {learning_rate: 1e-3}}",
        "imitate={batch_size: 8, epochs: 2, optimizer: {learning_rate: 3e-3}}",
        "reward={batch_size: 8, epochs: 2, optimizer: {learning_rate: 1e-3}, weights: {model: 1, objective_rule: 0.5}}",
        "rl={steps: 5, prompts_per_step: 4, max_new_tokens: 8, epochs: 2, minibatches: 2, checkpoint_every: 2, kl_target: 1, kl_horizon: 50}",
        "rl.optimizer.learning_rate=1e-3",
        "evaluate={queries: 4, every: 2, anti_lab: 1}",
        "checkpoint_steps=3",
        "threads=1",
        "kernels=on",
        "device=cpu",
    ];

    /// <summary>Ways that a run keeps its state: each has files of its own.</summary>
    private static readonly (string Name, string[] Settings)[] Variants =
    [
        ("full", []),
        ("adapters", ["imitate.adapter={rank: 2, alpha: 4}", "rl.adapter={rank: 2, alpha: 4}", "rl.keep_every=2"]),
        (
            "head",
            ["rl.critic=head", "rl.samples_per_prompt=2", "rl.keep_best=objective/scores", "evaluate.every_document_tokens=400", "evaluate.document_queries=2"]
        ),
        // Everything is written as often as can be, answers of evaluations among it.
        ("often", ["checkpoint_minutes=0.00001", "evaluate.batch_size=2"]),
    ];

    private static readonly (string Name, int Number, int Code)[] Signals =
    [
        ("SIGKILL", 9, 137),
        ("SIGTERM", 15, 143),
        ("SIGINT", 2, 130),
        ("SIGUSR1", 10, 75),
        ("SIGHUP", 1, 129),
    ];

    /// <summary>A run that was ended as often as this is left to finish.</summary>
    private const int MostKills = 8;

    private readonly Dictionary<string, Whole> _whole = [];
    private readonly SortedDictionary<string, int> _hits = new(StringComparer.Ordinal);
    private readonly (string Name, int Number, int Code)[] _sent = [.. Signals.Where(s => !IsIgnored(s.Number))];

    /// <param name="Contents">All that the run left.</param>
    /// <param name="Seconds">How long it took.</param>
    /// <param name="Changes">Changes to files that it made.</param>
    private sealed record Whole(IReadOnlyList<string> Contents, double Seconds, int Changes);

    /// <param name="Runs">Runs that were stopped at least once and finished.</param>
    /// <param name="Kills">Processes that were ended before they were done.</param>
    /// <param name="Wrong">Runs that differ from the one that was not stopped, or whose process returned another code than it should, in words.</param>
    /// <param name="Hits">How many kills each signal and each stage had.</param>
    internal sealed record Outcome(int Runs, int Kills, IReadOnlyList<string> Wrong, IReadOnlyDictionary<string, int> Hits);

    internal Outcome Run(int kills)
    {
        var (runs, done, wrong) = (0, 0, new List<string>());
        foreach (var (signal, _, _) in Signals.Except(_sent))
            say($"{signal} is not sent: this process was started with it ignored, as nohup and a script's & do, and so would each run be");
        for (var i = 0; done < kills; i++)
        {
            var (name, settings) = Variants[i % Variants.Length];
            if (!_whole.TryGetValue(name, out var whole))
                _whole[name] = whole = Uninterrupted(name, settings);
            var random = seeds.For("kill", i);
            var (count, problems) = Interrupted(name, $"{name}-{i}", settings, whole, random);
            (runs, done) = (runs + 1, done + count);
            wrong.AddRange(problems);
            say($"{done} kills, {runs} runs, {wrong.Count} wrong; {name}-{i}: {count} kills{string.Concat(problems.Select(p => "\n  " + p))}");
        }

        return new(runs, done, wrong, _hits);
    }

    /// <summary>By the mask of ignored signals, which children inherit; false where the system does not tell.</summary>
    private static bool IsIgnored(int signal)
    {
        const string key = "SigIgn:";
        const string status = "/proc/self/status";
        var mask = File.Exists(status) ? File.ReadLines(status).FirstOrDefault(line => line.StartsWith(key, StringComparison.Ordinal)) : null;
        return mask is not null && (Convert.ToUInt64(mask[key.Length..].Trim(), 16) >> (signal - 1) & 1) == 1;
    }

    private Whole Uninterrupted(string name, string[] settings)
    {
        var output = Path.Combine(folder, "whole-" + name);
        using var process = new Attempt(program, Command(settings), output);
        var code = process.Wait();
        if (code != 0)
            throw new InvalidOperationException($"the run that is not stopped ended with {code}:\n{process.Said}");
        return new(RunContents.Of(Path.Combine(output, "run")), process.Seconds, process.Changes);
    }

    private (int Kills, IReadOnlyList<string> Wrong) Interrupted(string variant, string name, string[] settings, Whole whole, RandomStream random)
    {
        var output = Path.Combine(folder, name);
        var (kills, problems) = (0, new List<string>());
        while (true)
        {
            using var process = new Attempt(program, Command(settings), output);
            // Less is left to do each time: the moments come sooner, so that a run is ended several times, and the last process is left alone.
            var left = 0.9 * Math.Max(0, 1 - kills / (double)MostKills);
            var signal = _sent[random.NextBool(0.5) ? 0 : 1 + random.NextInt(_sent.Length - 1)];
            var latest = TimeSpan.FromSeconds(left * whole.Seconds);
            var ended =
                left > 0
                && (
                    random.NextBool(0.5)
                        ? process.KillAfter(latest * random.NextDouble(), signal.Number)
                        : process.KillAtChange(1 + random.NextInt(Math.Max(1, (int)(whole.Changes * left))), latest, signal.Number)
                );
            var code = process.Wait();
            if (code == 0)
            {
                // How long a run takes depends on what else the machine does: one that ended first corrects the measure.
                if (kills == 0)
                    _whole[variant] = whole with { Seconds = Math.Min(whole.Seconds, process.Seconds), Changes = Math.Min(whole.Changes, process.Changes) };
                break;
            }

            if (!ended)
                return (kills, [.. problems, $"{name}: ended by itself with {code}: {process.Said}"]);
            kills++;
            foreach (var hit in new[] { signal.Name, process.Stage })
                _hits[hit] = _hits.GetValueOrDefault(hit) + 1;
            // Before the program listens, a signal ends it as it ends any process.
            if (code != signal.Code && code != 128 + signal.Number)
                problems.Add($"{name}: {signal.Name} gave {code}, not {signal.Code}: {process.Said}");
        }

        var differences = RunContents.Differences(whole.Contents, RunContents.Of(Path.Combine(output, "run")));
        problems.AddRange(differences.Take(12).Select(d => $"{name}: {(d.Length > 300 ? d[..300] : d)}"));
        if (problems.Count == 0)
            Directory.Delete(output, recursive: true);
        return (kills, problems);
    }

    private static string[] Command(string[] settings) => ["train", "tiny.yaml", "--or-resume", .. Tiny, .. settings, "name=run", "output=."];

    /// <summary>One process, its output, and the changes that it makes to files.</summary>
    private sealed partial class Attempt : IDisposable
    {
        private readonly Stopwatch _watch = Stopwatch.StartNew();
        private readonly Process _process;
        private readonly FileSystemWatcher _watcher;
        private readonly Lock _gate = new();
        private readonly List<string> _said = [];
        private int _changes;
        private (int Change, int Signal)? _plan;
        private bool _sent;

        internal Attempt(IReadOnlyList<string> program, IReadOnlyList<string> arguments, string output)
        {
            Directory.CreateDirectory(output);
            _watcher = new FileSystemWatcher(output)
            {
                IncludeSubdirectories = true,
                InternalBufferSize = 1 << 16,
                NotifyFilter = NotifyFilters.FileName | NotifyFilters.DirectoryName | NotifyFilters.Size | NotifyFilters.LastWrite,
            };
            _watcher.Created += (_, _) => Changed();
            _watcher.Changed += (_, _) => Changed();
            _watcher.Deleted += (_, _) => Changed();
            _watcher.Renamed += (_, _) => Changed();
            _watcher.EnableRaisingEvents = true;
            var config = Path.Combine(output, "tiny.yaml");
            if (!File.Exists(config))
                File.WriteAllText(config, "name: run\n");
            var start = new ProcessStartInfo(program[0])
            {
                // Relative paths, so that no file of a run says where it lies.
                WorkingDirectory = output,
                RedirectStandardOutput = true,
                RedirectStandardError = true,
            };
            foreach (var argument in program.Skip(1).Concat(arguments))
                start.ArgumentList.Add(argument);
            start.Environment["DOTNET_TieredPGO"] = "0";
            _process = new Process { StartInfo = start };
            _process.OutputDataReceived += (_, e) => Hear(e.Data);
            _process.ErrorDataReceived += (_, e) => Hear(e.Data);
            _process.Start();
            _process.BeginOutputReadLine();
            _process.BeginErrorReadLine();
        }

        internal double Seconds => _watch.Elapsed.TotalSeconds;

        internal int Changes => Volatile.Read(ref _changes);

        internal string Said
        {
            get
            {
                lock (_gate)
                    return string.Join("\n    ", _said.TakeLast(12));
            }
        }

        /// <summary>Where the process was, as far as its console says.</summary>
        internal string Stage
        {
            get
            {
                lock (_gate)
                {
                    if (_said.LastOrDefault(l => l.StartsWith('[')) is not { } stage)
                        return "in start";
                    var name = stage[(stage.IndexOf(']', StringComparison.Ordinal) + 2)..];
                    return name == "rl" && _said[^1].Contains("done in", StringComparison.Ordinal) ? "in report" : "in " + name;
                }
            }
        }

        internal bool KillAfter(TimeSpan time, int signal)
        {
            if (_process.WaitForExit(time))
                return false;
            return Send(signal);
        }

        /// <summary>At a change to the run's files, or at a time where there are not so many until then: the system merges changes that wait.</summary>
        internal bool KillAtChange(int change, TimeSpan latest, int signal)
        {
            lock (_gate)
                _plan = (change, signal);
            if (_process.WaitForExit(latest))
                lock (_gate)
                    return _sent;
            lock (_gate)
                return _sent || Send(signal);
        }

        internal int Wait()
        {
            if (!_process.WaitForExit(TimeSpan.FromMinutes(10)))
            {
                _process.Kill();
                throw new InvalidOperationException($"a process did not end: {Said}");
            }

            _process.WaitForExit();
            return _process.ExitCode;
        }

        public void Dispose()
        {
            _watcher.Dispose();
            _process.Dispose();
        }

        private void Hear(string? line)
        {
            if (line is not null)
                lock (_gate)
                    _said.Add(line);
        }

        private void Changed()
        {
            Interlocked.Increment(ref _changes);
            lock (_gate)
                if (!_sent && _plan is { } plan && _changes >= plan.Change)
                    Send(plan.Signal);
        }

        private bool Send(int signal)
        {
            lock (_gate)
                return _sent = Kill(_process.Id, signal) == 0;
        }

        [LibraryImport("libc", EntryPoint = "kill")]
        [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
        private static partial int Kill(int process, int signal);
    }
}
