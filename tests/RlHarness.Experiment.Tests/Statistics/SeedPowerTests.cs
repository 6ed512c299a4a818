using RlHarness.Experiment.Statistics;

namespace RlHarness.Experiment.Tests.Statistics;

[Trait("kind", "arithmetic")]
public sealed class SeedPowerTests
{
    [Fact]
    public void Power_of_a_t_test_is_that_of_R()
    {
        // R's help page of power.t.test: n = 20, delta = 1, sd = 1 gives power 0.8689528 (without the opposite tail, 2e-7); power 0.90 and delta 1
        // give n = 22.02110.
        Assert.Equal(0.8689528, SeedPower.TwoConditions(1, 20), 1e-6);
        Assert.True(SeedPower.TwoConditions(1, 22) < 0.9 && SeedPower.TwoConditions(1, 23) > 0.9);
    }

    [Fact]
    public void Without_an_effect_power_is_the_level()
    {
        foreach (var seeds in new[] { 2, 3, 5, 20 })
        {
            Assert.Equal(0.05, SeedPower.TwoConditions(0, seeds), 1e-5);
            Assert.Equal(0.05, SeedPower.OneSample(0, seeds), 1e-4);
        }
    }

    [Fact]
    public void The_detectable_effect_is_found_with_the_wanted_power() => Assert.Equal(0.8, SeedPower.TwoConditions(SeedPower.Detectable(5), 5), 1e-9);
}
