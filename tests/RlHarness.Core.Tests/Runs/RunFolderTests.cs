using System.Text.Json;
using RlHarness.Core.Errors;
using RlHarness.Core.Runs;

namespace RlHarness.Core.Tests.Runs;

[Trait("kind", "contract")]
public class RunFolderTests
{
    [Fact]
    public void A_new_run_has_its_settings_and_what_it_is_and_never_takes_a_name_that_exists()
    {
        using var folder = new TemporaryFolder();
        using (var first = RunFolder.Create(folder.Path, "a", new { SeedValue = 3 }, "seed: 3\n"))
        {
            Assert.Equal(folder.At("a"), first.Path);
            Assert.Equal("seed: 3\n", File.ReadAllText(first.Config));
            Assert.Equal(3, JsonDocument.Parse(File.ReadAllText(folder.At("a", "run.json"))).RootElement.GetProperty("seed_value").GetInt32());
            Assert.Equal(
                (folder.At("a", "run.db"), folder.At("a", "metrics.jsonl"), folder.At("a", "report.html"), folder.At("a", "rl")),
                (first.Database, first.Metrics, first.Report, first.Stage("rl"))
            );
        }

        using var second = RunFolder.Create(folder.Path, "a", new { }, "");
        Assert.Equal(folder.At("a-2"), second.Path);
    }

    [Fact]
    public void A_run_is_held_by_one_process_at_a_time()
    {
        using var folder = new TemporaryFolder();
        using (RunFolder.Create(folder.Path, "a", new { }, ""))
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
