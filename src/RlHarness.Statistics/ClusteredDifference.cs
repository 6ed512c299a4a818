namespace RlHarness.Statistics;

/// <summary>
/// Tier 1 minus tier 0 with the same queries in both. Pooled: difference of all samples' means, CR1² = CR0² · G/(G−1) · (n−1)/(n−2).
/// By query: mean of the differences of query means over the queries that have both tiers, SE = sd(d)/√pairs.
/// </summary>
internal sealed record ClusteredDifference(
    int N,
    int Clusters,
    double Mean1,
    double Mean0,
    double Difference,
    double UnpairedError,
    double Cr0,
    double Cr1,
    int QueryPairs,
    double QueryDifference,
    double QueryError
)
{
    public static ClusteredDifference Of(IReadOnlyList<double> values, IReadOnlyList<int> tiers, IReadOnlyList<int> clusters)
    {
        ArgumentNullException.ThrowIfNull(values);
        ArgumentNullException.ThrowIfNull(tiers);
        ArgumentNullException.ThrowIfNull(clusters);
        Guard.SameLength(values.Count, tiers.Count, "values and tiers");
        Guard.SameLength(values.Count, clusters.Count, "values and clusters");
        var rows = Enumerable.Range(0, values.Count).ToList();
        var first = rows.Where(i => tiers[i] == 1).Select(i => values[i]).ToList();
        var second = rows.Where(i => tiers[i] != 1).Select(i => values[i]).ToList();
        Guard.That(first.Count > 0 && second.Count > 0, $"both tiers need values: {first.Count} and {second.Count}");
        double m1 = first.Average(),
            m0 = second.Average(),
            n = values.Count;
        var groups = rows.GroupBy(i => clusters[i]).ToList();
        var g = groups.Count;
        var cr0 = groups.Sum(c => Math.Pow(c.Sum(i => tiers[i] == 1 ? (values[i] - m1) / first.Count : -(values[i] - m0) / second.Count), 2));
        var differences = groups
            .Select(c => (One: c.Where(i => tiers[i] == 1).Select(i => values[i]).ToList(), Zero: c.Where(i => tiers[i] != 1).Select(i => values[i]).ToList()))
            .Where(c => c.One.Count > 0 && c.Zero.Count > 0)
            .Select(c => c.One.Average() - c.Zero.Average())
            .ToList();
        return new(
            values.Count,
            g,
            m1,
            m0,
            m1 - m0,
            Math.Sqrt((Variance(first) / first.Count) + (Variance(second) / second.Count)),
            Math.Sqrt(cr0),
            g > 1 && n > 2 ? Math.Sqrt(cr0 * g / (g - 1) * (n - 1) / (n - 2)) : double.NaN,
            differences.Count,
            differences.Count > 0 ? differences.Average() : double.NaN,
            Math.Sqrt(Variance(differences) / differences.Count)
        );
    }

    public Interval Cr1Normal(double confidence = 0.95) => Interval.Around(Difference, Normal.Z(confidence) * Cr1);

    public Interval Cr1T(double confidence = 0.95) => Clusters > 1 ? Interval.Around(Difference, StudentT.T(confidence, Clusters - 1) * Cr1) : Interval.None;

    public Interval QueryNormal(double confidence = 0.95) => Interval.Around(QueryDifference, Normal.Z(confidence) * QueryError);

    public Interval QueryT(double confidence = 0.95) =>
        QueryPairs > 1 ? Interval.Around(QueryDifference, StudentT.T(confidence, QueryPairs - 1) * QueryError) : Interval.None;

    private static double Variance(List<double> x)
    {
        if (x.Count < 2)
            return double.NaN;
        var mean = x.Average();
        return x.Sum(v => (v - mean) * (v - mean)) / (x.Count - 1);
    }
}
