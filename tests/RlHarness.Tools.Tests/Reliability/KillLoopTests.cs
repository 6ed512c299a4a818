using RlHarness.Core.Randomness;
using RlHarness.Tools.Commands;
using RlHarness.Tools.Reliability;

namespace RlHarness.Tools.Tests.Reliability;

/// <summary>Processes that are killed for real; <c>scripts/kill-loop --kills 1000</c> is the long form.</summary>
[Trait("kind", "slow")]
public sealed class KillLoopTests(ITestOutputHelper output)
{
    [Fact]
    public void Runs_that_are_killed_fifty_times_end_as_those_that_never_were()
    {
        var root = Directory.CreateTempSubdirectory("rlharness-kill-");
        var outcome = new KillLoop(KillLoopCommand.Program(null), root.FullName, new Seeds(17), output.WriteLine).Run(50);
        Assert.Empty(outcome.Wrong);
        Assert.True(outcome.Kills >= 50);
        Assert.True(outcome.Hits["SIGKILL"] > 10);
        root.Delete(recursive: true);
    }
}

/// <summary>That the comparison finds what differs: a loop that compares nothing would never fail.</summary>
[Trait("kind", "contract")]
public sealed class RunContentsTests
{
    [Fact]
    public void Lines_that_are_missing_added_changed_or_moved_are_differences()
    {
        string[] whole = ["a", "b", "b", "c"];
        Assert.Empty(RunContents.Differences(whole, ["a", "b", "b", "c"]));
        Assert.Equal(["- b"], RunContents.Differences(whole, ["a", "b", "c"]));
        Assert.Equal(["+ d"], RunContents.Differences(whole, ["a", "b", "b", "c", "d"]));
        Assert.Equal(["+ C", "- c"], RunContents.Differences(whole, ["a", "b", "b", "C"]));
        Assert.Equal(["the same lines in another order"], RunContents.Differences(whole, ["b", "a", "b", "c"]));
    }
}
