namespace RlHarness.Statistics;

/// <summary>Intervals of one proportion: x successes of n trials, p = x/n, z the upper α/2 quantile of the normal.</summary>
public static class Proportion
{
    /// <summary>(p + z²/2n ± z √(p(1−p)/n + z²/4n²)) / (1 + z²/n). Wilson 1927.</summary>
    public static Interval Wilson(long successes, long trials, double confidence = 0.95)
    {
        Guard.Counts(successes, trials);
        return WilsonEffective(successes / (double)trials, trials, confidence);
    }

    /// <summary>Wilson for a rate over an effective number of trials, which need not be whole: n over the design effect.</summary>
    public static Interval WilsonEffective(double rate, double trials, double confidence = 0.95)
    {
        Guard.Probability(rate);
        Guard.That(trials > 0, $"more than 0 trials, not {trials}");
        var z = Normal.Z(confidence);
        var z2 = z * z;
        var centre = (rate + (z2 / (2 * trials))) / (1 + (z2 / trials));
        var half = z / (1 + (z2 / trials)) * Math.Sqrt((rate * (1 - rate) / trials) + (z2 / (4 * trials * trials)));
        return new(rate == 0 ? 0 : centre - half, rate == 1 ? 1 : centre + half);
    }

    /// <summary>
    /// Wilson with continuity correction: (2np + z² ∓ 1 ∓ z √(z² ∓ 2 − 1/n + 4p(nq ± 1))) / (2(n + z²)); 0 at 0 of n, 1 at n of n.
    /// Newcombe 1998, Statistics in Medicine 17:857, method 4.
    /// </summary>
    public static Interval WilsonCorrected(long successes, long trials, double confidence = 0.95)
    {
        Guard.Counts(successes, trials);
        var z = Normal.Z(confidence);
        double n = trials,
            p = successes / n,
            q = 1 - p,
            z2 = z * z;
        var low = ((2 * n * p) + z2 - 1 - (z * Math.Sqrt(z2 - 2 - (1 / n) + (4 * p * ((n * q) + 1))))) / (2 * (n + z2));
        var high = ((2 * n * p) + z2 + 1 + (z * Math.Sqrt(z2 + 2 - (1 / n) + (4 * p * ((n * q) - 1))))) / (2 * (n + z2));
        return new(successes == 0 ? 0 : Math.Max(0, low), successes == trials ? 1 : Math.Min(1, high));
    }

    /// <summary>Beta quantiles B(α/2; x, n−x+1) and B(1−α/2; x+1, n−x). Clopper and Pearson 1934; "exact", never below its confidence.</summary>
    public static Interval ClopperPearson(long successes, long trials, double confidence = 0.95)
    {
        Guard.Counts(successes, trials);
        var tail = (1 - Guard.Fraction(confidence)) / 2;
        return new(
            successes == 0 ? 0 : Beta.Quantile(tail, successes, trials - successes + 1),
            successes == trials ? 1 : Beta.Quantile(1 - tail, successes + 1, trials - successes)
        );
    }

    /// <summary>Wald with z²/2 successes and failures added, clipped into [0, 1]. Agresti and Coull 1998.</summary>
    public static Interval AgrestiCoull(long successes, long trials, double confidence = 0.95)
    {
        Guard.Counts(successes, trials);
        var z = Normal.Z(confidence);
        var n = trials + (z * z);
        var p = (successes + (z * z / 2)) / n;
        return Interval.Around(p, z * Math.Sqrt(p * (1 - p) / n)).Clip(0, 1);
    }

    /// <summary>Equal-tailed quantiles of Beta(x + ½, n − x + ½); 0 at 0 of n and 1 at n of n (Brown, Cai and DasGupta 2001).</summary>
    public static Interval Jeffreys(long successes, long trials, double confidence = 0.95)
    {
        var equal = JeffreysEqualTailed(successes, trials, confidence);
        return new(successes == 0 ? 0 : equal.Low, successes == trials ? 1 : equal.High);
    }

    public static Interval JeffreysEqualTailed(long successes, long trials, double confidence = 0.95)
    {
        Guard.Counts(successes, trials);
        var tail = (1 - Guard.Fraction(confidence)) / 2;
        return new(Beta.Quantile(tail, successes + 0.5, trials - successes + 0.5), Beta.Quantile(1 - tail, successes + 0.5, trials - successes + 0.5));
    }
}
