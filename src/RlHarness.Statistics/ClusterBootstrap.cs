using RlHarness.Core.Randomness;

namespace RlHarness.Statistics;

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
