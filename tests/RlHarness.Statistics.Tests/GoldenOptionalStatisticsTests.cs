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
}
