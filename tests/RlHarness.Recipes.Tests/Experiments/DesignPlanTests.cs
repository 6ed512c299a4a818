using RlHarness.Recipes.Experiments;
using RlHarness.Recipes.Planning;
using RlHarness.Tests;
using TorchSharp;

namespace RlHarness.Recipes.Tests.Experiments;

[Trait("kind", "contract")]
public class DesignPlanTests
{
    private static readonly string Config = Repository.At("configs", "interventions.yaml");

    private static FactorialDesign Design(params string[] overrides) =>
        InterventionSettings.Read(Config, ["output=/nowhere", "seeds=[1, 2]", "arms=[{name: a}, {name: b, set: [rl.kl_coefficient=0.5]}]", .. overrides]);

    [Fact]
    public void Runs_that_share_a_model_count_it_once_and_RL_each_time()
    {
        var design = Design();
        var one = RunPlan.Of(design.Cells[0].Settings).Stages.ToDictionary(s => s.Name);
        var stages = DesignPlan.Of(design, DeviceType.CPU).Stages(_ => 1e9).ToDictionary(s => s.Name);
        Assert.Equal(["corpus", "imitate", "reward", "rl"], stages.Keys);
        // Two arms with two seeds: two imitating models and reward models, four times RL.
        Assert.Equal((2, 2), (stages["imitate"].Computed, stages["imitate"].FromCache));
        Assert.Equal((2, 2), (stages["reward"].Computed, stages["reward"].FromCache));
        Assert.Equal((4, 0), (stages["rl"].Computed, stages["rl"].FromCache));
        Assert.Equal(2 * one["imitate"].Tokens, stages["imitate"].Tokens, 1e-6);
        Assert.Equal(4 * one["rl"].Tokens, stages["rl"].Tokens, 1e-6);
        Assert.Equal(4 * one["rl"].Operations / 1e9, stages["rl"].Seconds, 1e-6);
        Assert.Equal(4 * one["rl"].DiskGiB, stages["rl"].DiskGiB, 1e-9);
        Assert.Equal(one["rl"].MemoryGiB, stages["rl"].MemoryGiB, 1e-9);
    }

    [Fact]
    public void Without_a_cache_every_run_computes_every_stage()
    {
        var stages = DesignPlan.Of(Design("cache=false"), DeviceType.CPU).Stages(_ => 1e9);
        Assert.All(stages, s => Assert.Equal((4, 0), (s.Computed, s.FromCache)));
    }
}
