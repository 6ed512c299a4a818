namespace RlHarness.Statistics.Tests;

[Trait("kind", "arithmetic")]
public sealed class GoldenOptionalStatisticsTests
{
    [Fact]
    public void Barnard() => GoldenFile.Check("barnard", c =>
        {
            var r = BarnardExact.Test(c.L("a"), c.L("b"), c.L("c"), c.L("d"));
            return new() { ["statistic"] = r.Statistic, ["p_two_sided"] = r.P };
        });

    [Fact]
    public void Logistic_mixed() => GoldenFile.Check("logistic_mixed", c =>
        {
            var r = LogisticMixed.Of(c.Numbers("steps"), c.Integers("outcomes"), c.Integers("clusters"));
            return new()
            {
                ["intercept"] = r.Intercept,
                ["slope"] = r.Slope,
                ["sigma"] = r.Sigma,
                ["log_likelihood"] = r.LogLikelihood,
                ["se_slope"] = r.SlopeError,
            };
        });

    [Fact]
    public void Seeds_dip() => GoldenFile.Check("seeds_dip", c => new() { ["dip"] = Dip.Of(c.Numbers("values")) });
}
