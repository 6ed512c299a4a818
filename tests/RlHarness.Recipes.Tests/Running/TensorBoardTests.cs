using RlHarness.Recipes.Settings;
using RlHarness.Tracking.Store;

namespace RlHarness.Recipes.Tests.Running;

[Trait("kind", "contract")]
public sealed class TensorBoardTests
{
    [Fact]
    public void A_run_writes_what_it_commits_and_takes_back_what_it_forgets()
    {
        static StepBatch Step(long step, double loss) => new("reward", step) { Metrics = new Dictionary<string, double> { ["loss/reward_model"] = loss } };

        using var without = new TinyRun();
        without.Context.Commit(Step(1, 0.5));
        Assert.False(Directory.Exists(Path.Combine(without.Context.Folder.Path, "tensorboard")));

        using var run = new TinyRun(TinyRun.Small("") with { Tracking = new TrackingSettings { Tensorboard = true } });
        run.Context.Store.StartStage("reward");
        run.Context.Commit(Step(1, 0.5));
        run.Context.Commit(Step(2, 0.25));
        run.Context.Forget("reward", 1);
        run.Context.Commit(Step(2, 0.125));
        run.Context.TensorBoard!.Dispose();
        var shown = EventRecords.Shown(Path.Combine(run.Context.Folder.Path, "tensorboard", "reward"))["loss/reward_model"];
        Assert.Equal([(1L, 0.5f), (2L, 0.125f)], shown.Select(s => (s.Step, s.Value)));
    }
}
