using RlHarness.Experiment.Statistics;

namespace RlHarness.Experiment.Tests.Statistics;

[Trait("kind", "arithmetic")]
public sealed class MedianIntervalTests
{
    // Ranks of the 95 % interval from tables of the sign test (Conover, Practical Nonparametric Statistics): below six values there is none.
    [Theory]
    [InlineData(6, 1, 6)]
    [InlineData(8, 1, 8)]
    [InlineData(10, 2, 9)]
    [InlineData(20, 6, 15)]
    [InlineData(100, 40, 61)]
    public void Its_limits_are_order_statistics(int n, int low, int high)
    {
        var median = MedianInterval.Of([.. Enumerable.Range(1, n).Select(i => (double)i).Reverse()]);
        Assert.Equal(((n + 1) / 2.0, low, high, n), (median.Value, median.Low, median.High, median.N));
    }

    [Fact]
    public void Five_values_have_a_median_and_no_interval()
    {
        var median = MedianInterval.Of([5, 1, 2, 4, 3]);
        Assert.Equal(3, median.Value);
        Assert.True(double.IsNaN(median.Low) && double.IsNaN(median.High));
        Assert.Throws<ArgumentException>(() => MedianInterval.Of([]));
    }
}
