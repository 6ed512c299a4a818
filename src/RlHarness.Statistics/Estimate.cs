namespace RlHarness.Statistics;

/// <summary>A figure as it is printed: value, 95 % interval, number of observations, number of independent clusters (queries).</summary>
public readonly record struct Estimate(double Value, double Low, double High, int N, int Clusters);

/// <summary>Lower and upper limit of a confidence interval.</summary>
public readonly record struct Interval(double Low, double High)
{
    public static Interval Around(double centre, double halfWidth) => new(centre - halfWidth, centre + halfWidth);

    public Interval Clip(double low, double high) => new(Math.Clamp(Low, low, high), Math.Clamp(High, low, high));

    public static Interval None => new(double.NaN, double.NaN);

    /// <summary>
    /// This interval where it has a width, none where its ends are one: an interval that was cut to a point at the edge of a range says too much.
    /// </summary>
    public Interval OrNone => High > Low ? this : None;
}

/// <summary>Quantiles of a sample.</summary>
internal static class Quantiles
{
    /// <summary>Linear between order statistics at (n − 1)p, type 7 of Hyndman and Fan 1996. Needs sorted values.</summary>
    public static double Type7(IReadOnlyList<double> sorted, double p)
    {
        ArgumentNullException.ThrowIfNull(sorted);
        Guard.That(sorted.Count > 0, "no values");
        var at = (sorted.Count - 1) * Guard.Probability(p);
        var low = (int)Math.Floor(at);
        var high = Math.Min(low + 1, sorted.Count - 1);
        return sorted[low] + ((at - low) * (sorted[high] - sorted[low]));
    }
}
