namespace RlHarness.Statistics;

/// <summary>
/// Freedman and Diaconis 1981: width 2 IQR/∛n, rounded so that equal bins fill the range; one bin where the quartiles agree. Bins are closed on the
/// left, the last
/// on both sides.
/// </summary>
public sealed record Histogram(double RuleWidth, IReadOnlyList<double> Edges, IReadOnlyList<int> Counts)
{
    public static Histogram Of(IReadOnlyList<double> values)
    {
        ArgumentNullException.ThrowIfNull(values);
        Guard.That(values.Count > 0, "no values");
        var sorted = values.Order().ToArray();
        var width = 2 * (Quantiles.Type7(sorted, 0.75) - Quantiles.Type7(sorted, 0.25)) / Math.Cbrt(sorted.Length);
        var (low, high) = (sorted[0], sorted[^1]);
        if (low == high)
            return new(width, [low - 0.5, low + 0.5], [sorted.Length]);
        var bins = width > 0 ? Math.Max(1, (int)Math.Ceiling((high - low) / width)) : 1;
        var edges = Enumerable.Range(0, bins + 1).Select(i => i == bins ? high : low + ((high - low) * i / bins)).ToArray();
        var counts = new int[bins];
        foreach (var value in sorted)
        {
            var bin = Math.Clamp((int)((value - low) / (high - low) * bins), 0, bins - 1);
            if (bin + 1 < bins && value >= edges[bin + 1])
                bin++;
            else if (value < edges[bin])
                bin--;
            counts[bin]++;
        }

        return new(width, edges, counts);
    }
}
