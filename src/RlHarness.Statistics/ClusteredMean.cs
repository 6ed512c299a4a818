namespace RlHarness.Statistics;

/// <summary>
/// A mean whose clusters (queries with several samples) are independent. SE² of Miller (arXiv 2411.00640): s²/n + (1/n²) Σ_c Σ_{i≠j} (y_ic − ȳ)(y_jc − ȳ);
/// CR0² = (1/n²) Σ_c (Σ_i (y_ic − ȳ))²; CR1 = CR0 √(G/(G−1)). ICC: one-way ANOVA with n0 = (n − Σn_i²/n)/(G − 1).
/// </summary>
internal sealed record ClusteredMean(
    int N,
    int Clusters,
    double Mean,
    double NaiveError,
    double Cr0,
    double Cr1,
    double MillerError,
    double DesignEffect,
    double Icc
)
{
    public static ClusteredMean Of(IReadOnlyList<double> values, IReadOnlyList<int> clusters)
    {
        ArgumentNullException.ThrowIfNull(values);
        ArgumentNullException.ThrowIfNull(clusters);
        Guard.SameLength(values.Count, clusters.Count, "values and clusters");
        Guard.That(values.Count > 0, "no values");
        var n = values.Count;
        var mean = values.Average();
        var squares = values.Sum(v => (v - mean) * (v - mean));
        var groups = Enumerable.Range(0, n).GroupBy(i => clusters[i], i => values[i]).Select(g => (Count: g.Count(), Sum: g.Sum(), Mean: g.Average())).ToList();
        var g = groups.Count;
        var cr0 = groups.Sum(c => Math.Pow(c.Sum - (c.Count * mean), 2)) / n / n;
        var naive = n > 1 ? squares / (n - 1) / n : double.NaN;
        var between = groups.Sum(c => c.Count * Math.Pow(c.Mean - mean, 2)) / (g - 1);
        var within = (squares - (between * (g - 1))) / (n - g);
        var n0 = (n - (groups.Sum(c => (double)c.Count * c.Count) / n)) / (g - 1);
        var icc = g > 1 && n > g && squares > 0 ? (between - within) / (between + ((n0 - 1) * within)) : double.NaN;
        return new(
            n,
            g,
            mean,
            Math.Sqrt(naive),
            Math.Sqrt(cr0),
            g > 1 ? Math.Sqrt(cr0 * g / (g - 1)) : double.NaN,
            n > 1 ? Math.Sqrt(cr0 + (squares / n / n / (n - 1))) : double.NaN,
            naive > 0 ? cr0 / naive : double.NaN,
            icc
        );
    }

    public Interval MillerNormal(double confidence = 0.95) => Interval.Around(Mean, Normal.Z(confidence) * MillerError);

    public Interval Cr1Normal(double confidence = 0.95) => Interval.Around(Mean, Normal.Z(confidence) * Cr1);

    /// <summary>With clusters − 1 degrees of freedom.</summary>
    public Interval Cr1T(double confidence = 0.95) => Clusters > 1 ? Interval.Around(Mean, StudentT.T(confidence, Clusters - 1) * Cr1) : Interval.None;
}
