using RlHarness.Tracking.Store;

namespace RlHarness.Cli.Tests;

/// <summary>
/// Reading and reporting a run must not load, patch or tune anything native. RLHARNESS_LIBTORCH names a folder without libtorch, which ends every command that
/// prepares the native libraries.
/// </summary>
[Trait("kind", "contract")]
public class NativeFreeTests
{
    private static readonly (string, string)[] NoLibtorch = [("RLHARNESS_LIBTORCH", "/nonexistent")];

    [Fact]
    public void The_variable_ends_a_command_that_needs_libtorch()
    {
        var result = Harness.RunWith(Path.GetTempPath(), "", NoLibtorch, "doctor", "--json");
        Assert.Equal(4, result.ExitCode);
        Assert.Contains("RLHARNESS_LIBTORCH names a folder without libtorch", result.Output, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("--help")]
    [InlineData("train", "--help")]
    [InlineData("report", "run")]
    [InlineData("export", "run", "--out", "exported")]
    [InlineData("pack", "list")]
    public void Reading_a_run_prepares_nothing_native(params string[] args)
    {
        using var folder = new TemporaryFolder();
        Directory.CreateDirectory(folder.At("run"));
        using (RunStore.Open(Path.Combine(folder.At("run"), "run.db"))) { }

        var result = Harness.RunWith(folder.Path, "", NoLibtorch, args);
        Assert.DoesNotContain("libtorch", result.Error, StringComparison.OrdinalIgnoreCase);
        Assert.NotEqual(4, result.ExitCode);
    }
}
