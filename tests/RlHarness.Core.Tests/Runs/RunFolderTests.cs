using System.Text.Json;
using RlHarness.Core.Errors;
using RlHarness.Core.Files;
using RlHarness.Core.Runs;

namespace RlHarness.Core.Tests.Runs;

[Trait("kind", "contract")]
public class RunFolderTests
{
    [Fact]
    public void A_new_run_has_its_settings_and_what_it_is_and_never_takes_a_name_that_exists()
    {
        using var folder = new TemporaryFolder();
        using (var first = RunFolder.Create(folder.Path, "a", _ => new { SeedValue = 3 }, "seed: 3\n"))
        {
            Assert.Equal(folder.At("a"), first.Path);
            Assert.Equal("seed: 3\n", File.ReadAllText(first.Config));
            Assert.Equal(3, JsonDocument.Parse(File.ReadAllText(folder.At("a", "run.json"))).RootElement.GetProperty("seed_value").GetInt32());
            Assert.Equal(
                (folder.At("a", "run.db"), folder.At("a", "metrics.jsonl"), folder.At("a", "report.html"), folder.At("a", "rl")),
                (first.Database, first.Metrics, first.Report, first.Stage("rl"))
            );
        }

        using var second = RunFolder.Create(folder.Path, "a", _ => new { }, "");
        Assert.Equal(folder.At("a-2"), second.Path);
    }

    [Fact]
    public void Starts_of_one_name_at_once_get_names_of_their_own_that_run_json_says()
    {
        // shared/faults/BR-28: four starts, several rounds.
        using var folder = new TemporaryFolder();
        for (var round = 0; round < 20; round++)
        {
            var name = $"run{round}";
            using var together = new Barrier(4);
            var names = new System.Collections.Concurrent.ConcurrentBag<string>();
            Parallel.For(0, 4, new ParallelOptions { MaxDegreeOfParallelism = 4 }, _ =>
            {
                together.SignalAndWait(TimeSpan.FromSeconds(5));
                using var run = RunFolder.Create(folder.Path, name, given => new { Name = given }, "");
                names.Add(RunFolder.NameOf(run.Path));
                var said = JsonDocument.Parse(File.ReadAllText(Path.Combine(run.Path, "run.json"))).RootElement.GetProperty("name").GetString();
                Assert.Equal(RunFolder.NameOf(run.Path), said);
            });
            Assert.Equal([name, $"{name}-2", $"{name}-3", $"{name}-4"], names.Order(StringComparer.Ordinal));
        }
    }

    [Fact]
    public void A_disk_that_refuses_is_called_that()
    {
        var full = DiskErrors.Of(new IOException("No space left on device : '/x'", 28));
        Assert.Equal(ErrorKind.Resource, full!.Kind);
        Assert.Contains("the disk is full", full.Message, StringComparison.Ordinal);
        Assert.Contains("read-only", DiskErrors.Of(new IOException("Read-only file system : '/x'", 30))!.Message, StringComparison.Ordinal);
        Assert.Contains("read-only", DiskErrors.Of(new UnauthorizedAccessException("Access to the path '/x' is denied."))!.Message, StringComparison.Ordinal);
        Assert.Null(DiskErrors.Of(new FileNotFoundException("x")));
        Assert.Null(DiskErrors.Of(new IOException("The process cannot access the file because it is being used by another process.", 11)));
    }

    [Fact]
    public void A_run_is_held_by_one_process_at_a_time()
    {
        using var folder = new TemporaryFolder();
        using (RunFolder.Create(folder.Path, "a", _ => new { }, ""))
        {
            var error = Assert.Throws<HarnessException>(() => RunFolder.Open(folder.At("a")));
            Assert.Equal(ErrorKind.RunFolder, error.Kind);
            Assert.Contains("in use by another process", error.Message, StringComparison.Ordinal);
        }

        RunFolder.Open(folder.At("a")).Dispose();
        Assert.False(File.Exists(folder.At("a", ".lock")));
    }

    [Fact]
    public void What_is_no_run_is_refused()
    {
        using var folder = new TemporaryFolder();
        Assert.Contains("nothing at this path", Assert.Throws<HarnessException>(() => RunFolder.Open(folder.At("none"))).Message, StringComparison.Ordinal);
        Assert.Contains("without run.json", Assert.Throws<HarnessException>(() => RunFolder.Open(folder.Path)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void An_error_says_what_found_expected_and_what_to_do()
    {
        var error = HarnessException.BadFile("m.bin", "is cut", "3 bytes", "4 bytes", "download it again");
        Assert.Equal(ErrorKind.BadFile, error.Kind);
        Assert.Equal(
            ["m.bin: is cut", "  found:    3 bytes", "  expected: 4 bytes", "  do:       download it again"],
            error.Message.Split(Environment.NewLine)
        );
        Assert.Equal("alone", new HarnessException(ErrorKind.Numerics, "alone").Message);
    }
}
