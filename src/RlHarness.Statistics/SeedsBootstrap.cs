using RlHarness.Core.Randomness;

namespace RlHarness.Statistics;

/// <summary>Percentile intervals whose unit is the seed.</summary>
internal sealed record SeedsBootstrap(double Estimate, Interval Percentile)
{
    /// <summary>Draws seeds, then queries within each drawn seed, anew for each draw; mean of seed means. values[seed][query].</summary>
    public static SeedsBootstrap Hierarchical(
        IReadOnlyList<IReadOnlyList<double>> values,
        RandomStream random,
        double confidence = 0.95,
        int resamples = 10_000
    )
    {
        Check(values);
        ArgumentNullException.ThrowIfNull(random);
        return Of(values.Average(s => s.Average()), confidence, resamples, () =>
        {
            var sum = 0.0;
            for (var k = 0; k < values.Count; k++)
            {
                var seed = random.Choose(values);
                var inner = 0.0;
                for (var i = 0; i < seed.Count; i++)
                    inner += seed[random.NextInt(seed.Count)];
                sum += inner / seed.Count;
            }

            return sum / values.Count;
        });
    }

    /// <summary>Draws seeds only; mean of seed means.</summary>
    public static SeedsBootstrap OverSeeds(IReadOnlyList<IReadOnlyList<double>> values, RandomStream random, double confidence = 0.95, int resamples = 10_000)
    {
        Check(values);
        ArgumentNullException.ThrowIfNull(random);
        var means = values.Select(s => s.Average()).ToArray();
        return Of(means.Average(), confidence, resamples, () =>
        {
            var sum = 0.0;
            for (var k = 0; k < means.Length; k++)
                sum += means[random.NextInt(means.Length)];
            return sum / means.Length;
        });
    }

    /// <summary>values[seed][condition]: seeds drawn anew within each condition, interquartile mean of all values (Agarwal et al. 2021).</summary>
    public static SeedsBootstrap StratifiedIqm(
        IReadOnlyList<IReadOnlyList<double>> values,
        RandomStream random,
        double confidence = 0.95,
        int resamples = 10_000
    )
    {
        Check(values);
        ArgumentNullException.ThrowIfNull(random);
        var conditions = values[0].Count;
        Guard.That(values.All(s => s.Count == conditions), "seeds have different numbers of conditions");
        var draw = new double[values.Count * conditions];
        return Of(InterquartileMean(values.SelectMany(s => s)), confidence, resamples, () =>
        {
            for (var i = 0; i < draw.Length; i++)
                draw[i] = values[random.NextInt(values.Count)][i % conditions];
            return InterquartileMean(draw);
        });
    }

    /// <summary>floor(n/4) values are cut from each end.</summary>
    public static double InterquartileMean(IEnumerable<double> values)
    {
        ArgumentNullException.ThrowIfNull(values);
        var sorted = values.ToArray();
        Guard.That(sorted.Length > 0, "no values");
        Array.Sort(sorted);
        var cut = sorted.Length / 4;
        return sorted.AsSpan()[cut..^cut].ToArray().Average();
    }

    private static void Check(IReadOnlyList<IReadOnlyList<double>> values)
    {
        ArgumentNullException.ThrowIfNull(values);
        Guard.That(values.Count > 0, "no seeds");
        Guard.That(values.All(s => s.Count > 0), "a seed has no values");
    }

    private static SeedsBootstrap Of(double estimate, double confidence, int resamples, Func<double> draw)
    {
        var tail = (1 - Guard.Fraction(confidence)) / 2;
        var draws = new double[resamples];
        for (var i = 0; i < resamples; i++)
            draws[i] = draw();
        Array.Sort(draws);
        return new(estimate, new(Quantiles.Type7(draws, tail), Quantiles.Type7(draws, 1 - tail)));
    }
}

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
        Guard.That(values.Count > 0, "no values");
        double[] sorted = [.. values.Order()];
        var k = (int)Binomial.Quantile((1 - Guard.Fraction(confidence)) / 2, sorted.Length, 0.5);
        var interval = k < 1 ? Interval.None : new Interval(sorted[k - 1], sorted[^k]);
        return new(Quantiles.Type7(sorted, 0.5), interval.Low, interval.High, sorted.Length, sorted.Length);
    }
}
