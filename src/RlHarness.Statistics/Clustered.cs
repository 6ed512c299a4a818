using RlHarness.Core.Randomness;

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

/// <summary>
/// Wilson's interval of a rate whose responses come in queries, with the effective number of responses n / max(1, CR1² / (p(1−p)/n)), less a factor
/// (t_{n−1}/t_{G−1})² for the G queries that the error is estimated from (Korn and Graubard 1998, Survey Methodology 24:193): without it 20 queries cover 93 %.
/// Where all responses are alike nothing tells how alike those of one query are, so a query counts once.
/// </summary>
public static class ClusteredRate
{
    /// <summary>The rate of rows of which something holds, with its interval.</summary>
    /// <param name="query">What rows have in common that count as one cluster.</param>
    public static Estimate Of<T>(IReadOnlyList<T> rows, Func<T, string> query, Func<T, bool> what, double confidence = 0.95)
    {
        ArgumentNullException.ThrowIfNull(rows);
        ArgumentNullException.ThrowIfNull(query);
        ArgumentNullException.ThrowIfNull(what);
        var index = new Dictionary<string, int>(StringComparer.Ordinal);
        var clusters = new int[rows.Count];
        var values = new double[rows.Count];
        for (var i = 0; i < rows.Count; i++)
        {
            if (!index.TryGetValue(query(rows[i]), out clusters[i]))
                index[query(rows[i])] = clusters[i] = index.Count;
            values[i] = what(rows[i]) ? 1 : 0;
        }

        var rate = values.Average();
        var interval = Wilson(values, clusters, confidence);
        return new(rate, interval.Low, interval.High, rows.Count, index.Count);
    }

    /// <summary>The rate among the rows of which it is known; null where that is none of them.</summary>
    /// <param name="what">Null: not known.</param>
    public static Estimate? OfKnown<T>(IReadOnlyList<T> rows, Func<T, string> query, Func<T, bool?> what, double confidence = 0.95)
    {
        ArgumentNullException.ThrowIfNull(what);
        T[] known = [.. rows.Where(r => what(r) is not null)];
        return known.Length == 0 ? null : Of(known, query, r => what(r) == true, confidence);
    }

    /// <param name="values">0 or 1.</param>
    public static Interval Wilson(IReadOnlyList<double> values, IReadOnlyList<int> clusters, double confidence = 0.95)
    {
        ArgumentNullException.ThrowIfNull(values);
        var rate = values.Average();
        var effective = values.Count / DesignEffect(values, clusters);
        var queries = clusters.Distinct().Count();
        if (queries > 1 && queries < values.Count && rate is > 0 and < 1)
            effective *= Math.Pow(StudentT.T(confidence, values.Count - 1) / StudentT.T(confidence, queries - 1), 2);
        return Proportion.WilsonEffective(rate, effective, confidence);
    }

    /// <summary>Responses over effective responses, at least 1.</summary>
    public static double DesignEffect(IReadOnlyList<double> values, IReadOnlyList<int> clusters)
    {
        ArgumentNullException.ThrowIfNull(values);
        ArgumentNullException.ThrowIfNull(clusters);
        Guard.SameLength(values.Count, clusters.Count, "values and clusters");
        Guard.That(values.Count > 0, "no values");
        var queries = clusters.Distinct().Count();
        var rate = values.Average();
        if (rate is 0 or 1)
            return values.Count / (double)queries;
        if (queries == values.Count || queries == 1)
            return 1;
        var error = ClusteredMean.Of(values, clusters).Cr1;
        return Math.Max(1, error * error / (rate * (1 - rate) / values.Count));
    }
}

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

/// <summary>
/// Bootstrap by whole clusters (queries), so that samples of one query and both its tiers stay together. Percentile, and BCa of Efron 1987:
/// z0 = Φ⁻¹(P(T &lt; θ) + ½P(T = θ)); a = Σ(θ̄−θ₍ᵢ₎)³ / (6(Σ(θ̄−θ₍ᵢ₎)²)^{3/2}), θ₍ᵢ₎ without cluster i; levels Φ(z0 + (z0+z_α)/(1−a(z0+z_α))).
/// Draws on which the statistic does not exist (a tier without rows) are left out.
/// </summary>
public sealed record ClusterBootstrap(double Estimate, Interval Percentile, Interval Bca, double BiasCorrection, double Acceleration, int N, int Clusters)
{
    public const int DefaultResamples = 10_000;

    public static ClusterBootstrap Of(
        ClusterStatistic statistic,
        IReadOnlyList<double> values,
        IReadOnlyList<int> clusters,
        IReadOnlyList<int>? tiers,
        RandomStream random,
        double confidence = 0.95,
        int resamples = DefaultResamples
    )
    {
        ArgumentNullException.ThrowIfNull(values);
        ArgumentNullException.ThrowIfNull(clusters);
        ArgumentNullException.ThrowIfNull(random);
        Guard.SameLength(values.Count, clusters.Count, "values and clusters");
        if (tiers is not null)
            Guard.SameLength(values.Count, tiers.Count, "values and tiers");
        Guard.That(tiers is not null || statistic is ClusterStatistic.Mean or ClusterStatistic.MeanOfClusterMeans, "this statistic needs tiers");
        Guard.That(values.Count > 0, "no values");
        var parts = Parts(statistic, values, clusters, tiers);
        Guard.That(parts.Length / 4 > 1, "one cluster cannot be resampled");
        return Resample(statistic, parts, values.Count, random, Guard.Fraction(confidence), resamples);
    }

    /// <summary>Four sums a cluster: values and counts of tier 1, then of tier 0. Each statistic is a function of their totals.</summary>
    private static double[] Parts(ClusterStatistic statistic, IReadOnlyList<double> values, IReadOnlyList<int> clusters, IReadOnlyList<int>? tiers)
    {
        var index = new Dictionary<int, int>();
        var parts = new List<double>();
        for (var i = 0; i < values.Count; i++)
        {
            if (!index.TryGetValue(clusters[i], out var at))
            {
                index[clusters[i]] = at = parts.Count;
                parts.AddRange([0, 0, 0, 0]);
            }

            var side = tiers is null || tiers[i] == 1 ? 0 : 2;
            parts[at + side] += values[i];
            parts[at + side + 1]++;
        }

        if (statistic == ClusterStatistic.MeanOfClusterMeans)
            for (var at = 0; at < parts.Count; at += 4)
                (parts[at], parts[at + 1]) = (parts[at] / parts[at + 1], 1);
        return [.. parts];
    }

    private static double Value(ClusterStatistic statistic, double s1, double n1, double s0, double n0) =>
        statistic switch
        {
            ClusterStatistic.Difference => (s1 / n1) - (s0 / n0),
            ClusterStatistic.Ratio => s1 / n1 / (s0 / n0),
            _ => s1 / n1,
        };

    private static ClusterBootstrap Resample(ClusterStatistic statistic, double[] parts, int n, RandomStream random, double confidence, int resamples)
    {
        var g = parts.Length / 4;
        double s1 = 0,
            n1 = 0,
            s0 = 0,
            n0 = 0;
        for (var c = 0; c < parts.Length; c += 4)
            (s1, n1, s0, n0) = (s1 + parts[c], n1 + parts[c + 1], s0 + parts[c + 2], n0 + parts[c + 3]);
        var estimate = Value(statistic, s1, n1, s0, n0);
        var draws = new List<double>(resamples);
        for (var r = 0; r < resamples; r++)
        {
            double a = 0,
                b = 0,
                d = 0,
                e = 0;
            for (var k = 0; k < g; k++)
            {
                var c = 4 * random.NextInt(g);
                a += parts[c];
                b += parts[c + 1];
                d += parts[c + 2];
                e += parts[c + 3];
            }

            var value = Value(statistic, a, b, d, e);
            if (double.IsFinite(value))
                draws.Add(value);
        }

        if (draws.Count == 0 || !double.IsFinite(estimate))
            return new(estimate, Interval.None, Interval.None, double.NaN, double.NaN, n, g);
        var sorted = draws.ToArray();
        Array.Sort(sorted);
        var without = new List<double>(g);
        for (var c = 0; c < parts.Length; c += 4)
            if (Value(statistic, s1 - parts[c], n1 - parts[c + 1], s0 - parts[c + 2], n0 - parts[c + 3]) is var left && double.IsFinite(left))
                without.Add(left);
        var centre = without.Count == 0 ? 0 : without.Average();
        double cubes = 0,
            squares = 0;
        foreach (var left in without)
            (cubes, squares) = (cubes + Math.Pow(centre - left, 3), squares + Math.Pow(centre - left, 2));
        var acceleration = squares > 0 ? cubes / (6 * Math.Pow(squares, 1.5)) : double.NaN;
        // Sums in another order differ in the last bits: draws that close count as equal.
        var slack = 1e-12 * Math.Max(1, Math.Abs(estimate));
        double below = sorted.Count(v => v < estimate - slack),
            equal = sorted.Count(v => Math.Abs(v - estimate) <= slack);
        var bias = Normal.Quantile((below + (0.5 * equal)) / sorted.Length);
        var tail = (1 - confidence) / 2;
        var percentile = new Interval(Quantiles.Type7(sorted, tail), Quantiles.Type7(sorted, 1 - tail));
        return new(estimate, percentile, new(Level(tail), Level(1 - tail)), bias, acceleration, n, g);

        double Level(double p)
        {
            var z = bias + Normal.Quantile(p);
            var level = Normal.Cdf(bias + (z / (1 - (acceleration * z))));
            return double.IsNaN(level) ? double.NaN : Quantiles.Type7(sorted, level);
        }
    }
}

/// <summary>What the cluster bootstrap resamples.</summary>
public enum ClusterStatistic
{
    /// <summary>Mean of all values.</summary>
    Mean,

    /// <summary>Mean of the clusters' means: each query counts once.</summary>
    MeanOfClusterMeans,

    /// <summary>Mean of tier 1 minus mean of tier 0.</summary>
    Difference,

    /// <summary>Mean of tier 1 over mean of tier 0.</summary>
    Ratio,
}
