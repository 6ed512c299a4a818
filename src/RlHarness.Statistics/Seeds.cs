using MathNet.Numerics;
using RlHarness.Core.Randomness;

namespace RlHarness.Statistics;

/// <summary>
/// One figure per seed, or one difference per pair of seeds: t interval and test, and the exact two-sided sign-flip p, the share of sign patterns whose
/// |sum| reaches the observed one, for up to 12 seeds (else NaN). Seeds are the unit of a claim about training.
/// </summary>
public sealed record SeedMean(int N, double Mean, double StandardDeviation, double StandardError, double T, double P, double SignFlipP)
{
    public const int MostSeedsForSignFlip = 12;

    public int Df => N - 1;

    public static SeedMean Of(IReadOnlyList<double> values, double nullValue = 0)
    {
        ArgumentNullException.ThrowIfNull(values);
        Guard.That(values.Count > 0, "no seeds");
        var n = values.Count;
        var mean = values.Average();
        // A mean of equal values may differ from them in the last bit.
        var sd =
            n < 2 ? double.NaN
            : values.All(v => v == values[0]) ? 0
            : Math.Sqrt(values.Sum(v => (v - mean) * (v - mean)) / (n - 1));
        var t = sd > 0 ? (mean - nullValue) / (sd / Math.Sqrt(n)) : double.NaN;
        return new(n, mean, sd, sd / Math.Sqrt(n), t, sd > 0 ? StudentT.TwoSided(t, n - 1) : double.NaN, SignFlip(values, nullValue));
    }

    /// <summary>What is printed: none where all seeds are equal either, which says nothing of how far the next one lies.</summary>
    public Interval PrintedInterval => StandardDeviation == 0 ? Interval.None : TInterval();

    /// <summary>None with one seed; without width where all are equal.</summary>
    public Interval TInterval(double confidence = 0.95)
    {
        Guard.Fraction(confidence);
        return N < 2 ? Interval.None : Interval.Around(Mean, StudentT.T(confidence, Df) * StandardError);
    }

    private static double SignFlip(IReadOnlyList<double> values, double nullValue)
    {
        if (values.Count > MostSeedsForSignFlip)
            return double.NaN;
        var shifts = values.Select(v => v - nullValue).ToArray();
        var observed = Math.Abs(shifts.Sum()) - (1e-9 * shifts.Sum(Math.Abs));
        var reached = 0;
        for (var pattern = 0; pattern < 1 << shifts.Length; pattern++)
        {
            var sum = 0.0;
            for (var i = 0; i < shifts.Length; i++)
                sum += ((pattern >> i) & 1) == 1 ? -shifts[i] : shifts[i];
            if (Math.Abs(sum) >= observed)
                reached++;
        }

        return reached / (double)(1 << shifts.Length);
    }
}

/// <summary>What a number of seeds can see: power of t tests whose unit is the seed. Effects are in standard deviations between seeds.</summary>
public static class SeedPower
{
    /// <summary>
    /// Two conditions of <paramref name="seeds"/> each: P(|T| &gt; t_{α/2}), T noncentral with 2 (n − 1) degrees of freedom and shift d √(n/2).
    /// </summary>
    public static double TwoConditions(double effect, int seeds, double alpha = 0.05) =>
        Noncentral(effect * Math.Sqrt(seeds / 2.0), 2.0 * (Check(seeds) - 1), alpha);

    /// <summary>One figure per seed, or one difference per pair of seeds, against 0: n − 1 degrees of freedom, shift d √n.</summary>
    public static double OneSample(double effect, int seeds, double alpha = 0.05) => Noncentral(effect * Math.Sqrt(seeds), Check(seeds) - 1, alpha);

    /// <summary>The smallest mean of one figure per seed, in standard deviations between seeds, that is told from 0 with the wanted power.</summary>
    public static double DetectableMean(int seeds, double power = 0.8, double alpha = 0.05)
    {
        Guard.Fraction(power);
        return RootFinding.Monotone(d => OneSample(d, seeds, alpha) - power, 0, 1000);
    }

    /// <summary>The smallest effect that is found with the wanted power.</summary>
    public static double Detectable(int seeds, double power = 0.8, double alpha = 0.05)
    {
        Guard.Fraction(power);
        return RootFinding.Monotone(d => TwoConditions(d, seeds, alpha) - power, 0, 1000);
    }

    private static int Check(int seeds)
    {
        Guard.That(seeds > 1, $"two seeds or more are needed, not {seeds}");
        return seeds;
    }

    /// <summary>∫ [Φ(δ − t s) + Φ(−δ − t s)] f(s) ds, s = √(χ²_ν/ν), by Simpson's rule on 2,000 intervals.</summary>
    private static double Noncentral(double shift, double df, double alpha)
    {
        var t = StudentT.UpperQuantile(Guard.Fraction(alpha) / 2, df);
        var log = Math.Log(2) + (df / 2 * Math.Log(df / 2)) - SpecialFunctions.GammaLn(df / 2);
        double At(double s) =>
            s <= 0
                ? (df == 1 ? Math.Exp(log) * (Normal.Cdf(shift) + Normal.Cdf(-shift)) : 0)
                : Math.Exp(log + ((df - 1) * Math.Log(s)) - (df * s * s / 2)) * (Normal.Cdf(shift - (t * s)) + Normal.Cdf(-shift - (t * s)));
        const int steps = 2_000;
        var width = (1 + (12 / Math.Sqrt(2 * df))) / steps;
        var sum = At(0) + At(steps * width);
        for (var i = 1; i < steps; i++)
            sum += (i % 2 == 0 ? 2 : 4) * At(i * width);
        return sum * width / 3;
    }
}

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

/// <summary>
/// Two conditions with several seeds each, a minus b: Welch's, pooled and (by position, for equal numbers) paired t tests, and the exact permutation p, the
/// share of regroupings whose |difference| reaches the observed one; NaN above 200,000 regroupings.
/// </summary>
internal sealed record SeedsTwoSamples(double Difference, TTest Welch, TTest Pooled, TTest Paired, double PermutationP)
{
    private const double MostRegroupings = 200_000;

    public static SeedsTwoSamples Compare(IReadOnlyList<double> a, IReadOnlyList<double> b, double confidence = 0.95)
    {
        ArgumentNullException.ThrowIfNull(a);
        ArgumentNullException.ThrowIfNull(b);
        Guard.That(a.Count > 1 && b.Count > 1, "two seeds or more of each condition are needed");
        Guard.Fraction(confidence);
        double n = a.Count,
            m = b.Count,
            va = Variance(a),
            vb = Variance(b),
            difference = a.Average() - b.Average();
        double wa = va / n,
            wb = vb / m;
        var df = (wa + wb) * (wa + wb) / ((wa * wa / (n - 1)) + (wb * wb / (m - 1)));
        var pooled = (((n - 1) * va) + ((m - 1) * vb)) / (n + m - 2);
        var paired = a.Count == b.Count ? Math.Sqrt(Variance([.. a.Zip(b, (x, y) => x - y)]) / n) : double.NaN;
        return new(
            difference,
            TTest.Of(difference, Math.Sqrt(wa + wb), df, confidence),
            TTest.Of(difference, Math.Sqrt(pooled * ((1 / n) + (1 / m))), n + m - 2, confidence),
            TTest.Of(difference, paired, n - 1, confidence),
            Permutation(a, b)
        );
    }

    /// <summary>With n − 1; 0 where values are equal but for rounding.</summary>
    private static double Variance(IReadOnlyList<double> x)
    {
        var mean = x.Average();
        var variance = x.Sum(v => (v - mean) * (v - mean)) / (x.Count - 1);
        var scale = x.Max(Math.Abs);
        return variance <= 1e-28 * scale * scale ? 0 : variance;
    }

    private static double Permutation(IReadOnlyList<double> a, IReadOnlyList<double> b)
    {
        double[] all = [.. a, .. b];
        if (Math.Exp(Binomial.LogChoose(all.Length, a.Count)) > MostRegroupings * (1 + 1e-9))
            return double.NaN;
        double total = all.Sum(),
            n = a.Count,
            m = b.Count;
        var observed = Math.Abs((a.Sum() / n) - (b.Sum() / m)) - (1e-9 * all.Max(Math.Abs));
        long reached = 0,
            seen = 0;
        void Choose(int from, int left, double sum)
        {
            if (left == 0)
            {
                seen++;
                if (Math.Abs((sum / n) - ((total - sum) / m)) >= observed)
                    reached++;
                return;
            }

            for (var i = from; i <= all.Length - left; i++)
                Choose(i + 1, left - 1, sum + all[i]);
        }

        Choose(0, a.Count, 0);
        return reached / (double)seen;
    }
}

/// <summary>A straight line by least squares, with the t interval and test of its slope on n − 2 degrees of freedom.</summary>
/// <param name="Detectable">The smallest slope that is told from 0 four times in five: (t at 97.5 % + t at 80 %) standard errors.</param>
public sealed record LeastSquaresLine(double Intercept, double Slope, double StandardError, Interval Interval, double P, double Detectable)
{
    /// <summary>NaN throughout where all x are one, and in interval and test with fewer than three points or no scatter around the line.</summary>
    public static LeastSquaresLine Of(IReadOnlyList<double> x, IReadOnlyList<double> y)
    {
        ArgumentNullException.ThrowIfNull(x);
        ArgumentNullException.ThrowIfNull(y);
        Guard.That(x.Count == y.Count && x.Count > 0, "as many x as y are needed");
        double n = x.Count,
            mx = x.Average(),
            my = y.Average(),
            sxx = x.Sum(v => (v - mx) * (v - mx)),
            slope = sxx > 0 ? x.Zip(y, (a, b) => (a - mx) * (b - my)).Sum() / sxx : double.NaN,
            residual = x.Zip(y, (a, b) => b - my - slope * (a - mx)).Sum(e => e * e),
            df = n - 2;
        var scatters = df > 0 && residual > 1e-24 * Math.Max(1e-300, y.Sum(v => v * v));
        if (!scatters)
            return new(my - slope * mx, slope, double.NaN, Interval.None, double.NaN, double.NaN);
        var error = Math.Sqrt(residual / df / sxx);
        return new(
            my - slope * mx,
            slope,
            error,
            Interval.Around(slope, StudentT.UpperQuantile(0.025, df) * error),
            StudentT.TwoSided(slope / error, df),
            (StudentT.UpperQuantile(0.025, df) + StudentT.UpperQuantile(0.2, df)) * error
        );
    }
}
