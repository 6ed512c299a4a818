namespace RlHarness.Statistics.Tests;

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

    /// <summary>A simulation: so many seeds whose mean lies at the detectable effect are told from 0 four times in five.</summary>
    [Theory]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(6)]
    public void A_mean_at_the_detectable_effect_is_found_four_times_in_five(int seeds)
    {
        var effect = SeedPower.DetectableMean(seeds);
        var random = new RlHarness.Core.Randomness.Seeds(3).For("detectable");
        const int draws = 40_000;
        var found = Enumerable.Range(0, draws).Count(_ => SeedMean.Of([.. Enumerable.Range(0, seeds).Select(_ => effect + random.NextGaussian())]).P < 0.05);
        // Four standard errors of a share of 0.8.
        Assert.Equal(0.8, found / (double)draws, 0.008);
    }

    /// <summary>
    /// By hand: y = 1, 3, 2 at x = 0, 1, 2 has slope 0.5, residuals −0.5, 1, −0.5, and the standard error √(1.5 / 1 / 2). With one degree of freedom t is
    /// Cauchy's: p = 1 − (2/π) atan(0.57735) = 2/3, and the quantiles are tan(0.475 π) = 12.7062 and tan(0.3 π) = 1.37638.
    /// </summary>
    [Fact]
    public void A_line_by_least_squares_has_the_slope_and_interval_of_the_hand()
    {
        var line = LeastSquaresLine.Of([0, 1, 2], [1, 3, 2]);
        Assert.Equal((1.5, 0.5), (line.Intercept, line.Slope));
        Assert.Equal(0.8660254, line.StandardError, 6);
        Assert.Equal(2.0 / 3, line.P, 6);
        Assert.Equal(0.5 - 12.706205 * 0.8660254, line.Interval.Low, 4);
        Assert.Equal((12.706205 + 1.376382) * 0.8660254, line.Detectable, 4);
        // A line through all points, or two points, has no scatter to be judged by.
        Assert.True(double.IsNaN(LeastSquaresLine.Of([0, 1, 2], [1, 2, 3]).P));
        Assert.True(double.IsNaN(LeastSquaresLine.Of([0, 1], [1, 3]).P));
        Assert.True(double.IsNaN(LeastSquaresLine.Of([2, 2], [1, 3]).Slope));
    }
}
