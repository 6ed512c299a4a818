namespace RlHarness.Statistics;

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
