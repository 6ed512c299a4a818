namespace RlHarness.Experiment.Statistics;

/// <summary>
/// A median with an interval that takes nothing of the distribution for granted: the order statistics x_(k) and x_(n+1−k) with the largest k for which
/// P(Bin(n, ½) &lt; k) ≤ α/2 (Thompson 1936). It covers at least 1 − α; NaN where even the smallest and the largest value do not (below six values at 95 %).
/// </summary>
public static class MedianInterval
{
    /// <returns>The median of type 7, its interval, and n; n is also the number of clusters: values are taken as independent.</returns>
    public static Estimate Of(IReadOnlyCollection<double> values, double confidence = 0.95)
    {
        ArgumentNullException.ThrowIfNull(values);
        Demand.That(values.Count > 0, "no values");
        double[] sorted = [.. values.Order()];
        var k = (int)Binomial.Quantile((1 - Demand.Fraction(confidence)) / 2, sorted.Length, 0.5);
        var interval = k < 1 ? Interval.None : new Interval(sorted[k - 1], sorted[^k]);
        return new(Quantiles.Type7(sorted, 0.5), interval.Low, interval.High, sorted.Length, sorted.Length);
    }
}
