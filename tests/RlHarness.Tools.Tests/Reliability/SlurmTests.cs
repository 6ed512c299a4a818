using System.Diagnostics;
using RlHarness.Tests;

namespace RlHarness.Tools.Tests.Reliability;

/// <summary>Runs on a real Slurm on this machine: <c>scripts/e2e/slurm</c> says what is looked at.</summary>
[Trait("kind", "slow")]
public sealed class SlurmTests(ITestOutputHelper output)
{
    private const int Skipped = 77;

    [Fact]
    public async Task Runs_that_Slurm_stops_requeue_themselves_and_end_as_those_that_never_stopped()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "Slurm runs on Linux");
        var start = new ProcessStartInfo(Repository.At("scripts", "e2e", "slurm")) { RedirectStandardOutput = true, RedirectStandardError = true };
        start.ArgumentList.Add("--bin");
        start.ArgumentList.Add(AppContext.BaseDirectory);
        using var process = Process.Start(start)!;
        var stop = TestContext.Current.CancellationToken;
        var error = process.StandardError.ReadToEndAsync(stop);
        var said = await process.StandardOutput.ReadToEndAsync(stop);
        await process.WaitForExitAsync(stop);
        output.WriteLine(said);
        Assert.SkipWhen(process.ExitCode == Skipped, said.Trim().Split('\n')[^1]);
        Assert.True(process.ExitCode == 0, said + await error);
        Assert.Contains(" passed, 0 failed", said, StringComparison.Ordinal);
    }
}
