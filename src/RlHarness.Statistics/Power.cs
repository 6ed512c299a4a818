namespace RlHarness.Statistics;

/// <summary>What a design can see: power of two-sided tests, sizes for a wanted power, smallest difference that can be found.</summary>
public static class Power
{
    /// <summary>Two independent groups of <paramref name="n"/> each: Φ((√n|p1−p2| − z √(2p̄q̄))/√(p1q1+p2q2)), without the opposite tail.</summary>
    public static double TwoProportions(double p1, double p2, double n, double alpha = 0.05, bool bothTails = false)
    {
        Check(p1, p2, n, alpha);
        var z = Normal.UpperQuantile(alpha / 2);
        double spread = Math.Sqrt((p1 * (1 - p1)) + (p2 * (1 - p2))),
            mean = (p1 + p2) / 2,
            pooled = Math.Sqrt(2 * mean * (1 - mean)),
            shift = Math.Sqrt(n) * Math.Abs(p1 - p2);
        if (spread == 0)
            return double.NaN;
        return Normal.Cdf((shift - (z * pooled)) / spread) + (bothTails ? Normal.Cdf((-shift - (z * pooled)) / spread) : 0);
    }

    /// <summary>Real-valued size per group: ((z_α √(2p̄q̄) + z_β √(p1q1+p2q2))/(p1−p2))².</summary>
    public static double TwoProportionsSize(double p1, double p2, double power = 0.8, double alpha = 0.05)
    {
        Check(p1, p2, 1, alpha);
        var (za, zb) = (Normal.UpperQuantile(alpha / 2), Normal.Quantile(Guard.Fraction(power)));
        var mean = (p1 + p2) / 2;
        var root = (za * Math.Sqrt(2 * mean * (1 - mean))) + (zb * Math.Sqrt((p1 * (1 - p1)) + (p2 * (1 - p2))));
        return p1 == p2 ? double.PositiveInfinity : root * root / ((p1 - p2) * (p1 - p2));
    }

    /// <summary>(z_α + z_β)² (p1q1+p2q2)/(p1−p2)².</summary>
    public static double TwoProportionsSizeUnpooled(double p1, double p2, double power = 0.8, double alpha = 0.05)
    {
        Check(p1, p2, 1, alpha);
        var z = Normal.UpperQuantile(alpha / 2) + Normal.Quantile(Guard.Fraction(power));
        return p1 == p2 ? double.PositiveInfinity : z * z * ((p1 * (1 - p1)) + (p2 * (1 - p2))) / ((p1 - p2) * (p1 - p2));
    }

    /// <summary>n/4 (1 + √(1 + 4/(n|p1−p2|)))², n without correction. Fleiss, Tytun and Ury 1980.</summary>
    public static double TwoProportionsSizeCorrected(double p1, double p2, double power = 0.8, double alpha = 0.05)
    {
        var n = TwoProportionsSize(p1, p2, power, alpha);
        var root = 1 + Math.Sqrt(1 + (4 / (n * Math.Abs(p1 - p2))));
        return double.IsInfinity(n) ? n : n / 4 * root * root;
    }

    /// <summary>The smallest p2 above p1 that n per group find with the wanted power; NaN where there is none.</summary>
    public static double DetectableAbove(double p1, double n, double power = 0.8, double alpha = 0.05)
    {
        Check(p1, p1, n, alpha);
        Guard.Fraction(power);
        double Gap(double p2)
        {
            var found = TwoProportions(p1, p2, n, alpha);
            return (
                    double.IsNaN(found)
                        ? p2 > p1
                            ? 1
                            : alpha / 2
                        : found
                ) - power;
        }

        return p1 >= 1 || Gap(1) < 0 ? double.NaN : RootFinding.Monotone(Gap, Gap(p1) > 0 ? Math.BitIncrement(p1) : p1, 1);
    }

    /// <summary>2 asin √p1 − 2 asin √p2.</summary>
    public static double CohensH(double p1, double p2) => (2 * Math.Asin(Math.Sqrt(Guard.Probability(p1)))) - (2 * Math.Asin(Math.Sqrt(Guard.Probability(p2))));

    /// <summary>Φ(|h| √(n/2) − z_α).</summary>
    public static double Arcsine(double p1, double p2, double n, double alpha = 0.05, bool bothTails = false)
    {
        Check(p1, p2, n, alpha);
        double z = Normal.UpperQuantile(alpha / 2),
            shift = Math.Abs(CohensH(p1, p2)) * Math.Sqrt(n / 2);
        return Normal.Cdf(shift - z) + (bothTails ? Normal.Cdf(-shift - z) : 0);
    }

    /// <summary>2 ((z_α + z_β)/h)² per group.</summary>
    public static double ArcsineSize(double p1, double p2, double power = 0.8, double alpha = 0.05)
    {
        Check(p1, p2, 1, alpha);
        double h = CohensH(p1, p2),
            z = Normal.UpperQuantile(alpha / 2) + Normal.Quantile(Guard.Fraction(power));
        return h == 0 ? double.PositiveInfinity : 2 * z * z / (h * h);
    }

    /// <summary>McNemar, n pairs with discordant rates p10 and p01, ψ their sum and δ their difference: Φ((√n|δ| − z √ψ)/√(ψ−δ²)). Connor 1987.</summary>
    public static double McNemar(double p10, double p01, double n, double alpha = 0.05, bool bothTails = false)
    {
        var (psi, delta) = Discordant(p10, p01, n, alpha);
        double z = Normal.UpperQuantile(alpha / 2),
            spread = psi - (delta * delta),
            shift = Math.Sqrt(n) * Math.Abs(delta);
        if (spread <= 0)
            return double.NaN;
        return Normal.Cdf((shift - (z * Math.Sqrt(psi))) / Math.Sqrt(spread))
            + (bothTails ? Normal.Cdf((-shift - (z * Math.Sqrt(psi))) / Math.Sqrt(spread)) : 0);
    }

    /// <summary>n = (z_α √ψ + z_β √(ψ−δ²))²/δ². Connor 1987, Biometrics 43:207.</summary>
    public static double McNemarSize(double p10, double p01, double power = 0.8, double alpha = 0.05)
    {
        var (psi, delta) = Discordant(p10, p01, 1, alpha);
        var root =
            (Normal.UpperQuantile(alpha / 2) * Math.Sqrt(psi)) + (Normal.Quantile(Guard.Fraction(power)) * Math.Sqrt(Math.Max(0, psi - (delta * delta))));
        return delta == 0 ? double.PositiveInfinity : root * root / (delta * delta);
    }

    /// <summary>Φ((√(nψ)|δ| − zψ)/√(ψ² − δ²(3+ψ)/4)). Miettinen 1968, Biometrics 24:339.</summary>
    public static double McNemarMiettinen(double p10, double p01, double n, double alpha = 0.05)
    {
        var (psi, delta) = Discordant(p10, p01, n, alpha);
        var spread = (psi * psi) - (delta * delta * (3 + psi) / 4);
        return spread <= 0 ? double.NaN : Normal.Cdf(((Math.Sqrt(n * psi) * Math.Abs(delta)) - (Normal.UpperQuantile(alpha / 2) * psi)) / Math.Sqrt(spread));
    }

    /// <summary>n = (z_α ψ + z_β √(ψ² − δ²(3+ψ)/4))²/(ψδ²); NaN where the root does not exist.</summary>
    public static double McNemarSizeMiettinen(double p10, double p01, double power = 0.8, double alpha = 0.05)
    {
        var (psi, delta) = Discordant(p10, p01, 1, alpha);
        var spread = (psi * psi) - (delta * delta * (3 + psi) / 4);
        if (delta == 0)
            return double.PositiveInfinity;
        if (spread <= 0)
            return double.NaN;
        var root = (Normal.UpperQuantile(alpha / 2) * psi) + (Normal.Quantile(Guard.Fraction(power)) * Math.Sqrt(spread));
        return root * root / (psi * delta * delta);
    }

    /// <summary>The difference that n pairs with discordant rate ψ find: root of √n δ = z_α √ψ + z_β √(ψ−δ²); NaN when it exceeds ψ.</summary>
    public static double McNemarDetectable(double discordantRate, double n, double power = 0.8, double alpha = 0.05)
    {
        Guard.That(discordantRate is > 0 and <= 1, $"a rate of discordant pairs above 0 and up to 1, not {discordantRate}");
        Guard.That(n >= 1, $"at least one pair, not {n}");
        var (za, zb) = (Normal.UpperQuantile(Guard.Fraction(alpha) / 2), Normal.Quantile(Guard.Fraction(power)));
        double Gap(double delta) => (Math.Sqrt(n) * delta) - (za * Math.Sqrt(discordantRate)) - (zb * Math.Sqrt(Math.Max(0, discordantRate - (delta * delta))));
        var most = Math.Sqrt(discordantRate);
        if (Gap(most) < 0)
            return double.NaN;
        var found = RootFinding.Monotone(Gap, 0, most);
        return found > discordantRate * (1 + 1e-12) ? double.NaN : found;
    }

    /// <summary>Whole pairs or transcripts; NaN where no size is enough.</summary>
    public static double Ceiling(double n) => double.IsFinite(n) ? Math.Ceiling(n - 1e-9) : double.NaN;

    private static void Check(double p1, double p2, double n, double alpha)
    {
        Guard.Probability(p1);
        Guard.Probability(p2);
        Guard.Fraction(alpha);
        Guard.That(n >= 1, $"at least one in each group, not {n}");
    }

    private static (double Psi, double Delta) Discordant(double p10, double p01, double n, double alpha)
    {
        Check(p10, p01, n, alpha);
        Guard.That(p10 + p01 > 0, "no discordant pairs: nothing to see");
        Guard.That(p10 + p01 <= 1 + 1e-12, $"discordant rates add up to {p10 + p01}, more than 1");
        return (p10 + p01, p10 - p01);
    }
}

/// <summary>Power by enumeration: the probability that the two-sided p is at most α.</summary>
public static class ExactPower
{
    /// <summary>
    /// n pairs, yes in the first tier only with probability p1, in the second only with p2; <paramref name="p"/> is the test's p value of (b, c).
    /// </summary>
    public static double McNemar(double p1, double p2, int n, double alpha, Func<long, long, double> p)
    {
        ArgumentNullException.ThrowIfNull(p);
        Check(p1, p2, n, alpha);
        Guard.That(p1 + p2 <= 1 + 1e-12, $"discordant rates add up to {p1 + p2}, more than 1");
        var power = 0.0;
        for (var discordant = 0; discordant <= n; discordant++)
        {
            var weight = Binomial.Mass(discordant, n, Math.Min(1, p1 + p2));
            if (weight == 0)
                continue;
            for (var b = 0; b <= discordant; b++)
                if (p(b, discordant - b) <= alpha + 1e-12)
                    power += weight * (discordant == 0 ? 1 : Binomial.Mass(b, discordant, p1 / (p1 + p2)));
        }

        return power;
    }

    /// <summary>McNemar's χ² without correction; 1 without discordant pairs.</summary>
    public static double ChiSquaredP(long b, long c) => b + c == 0 ? 1 : Normal.TwoSided((b - c) / Math.Sqrt(b + c));

    /// <summary>Fisher's exact test of two groups of n.</summary>
    public static double Fisher(double p1, double p2, int n, double alpha)
    {
        Check(p1, p2, n, alpha);
        var power = 0.0;
        for (var a = 0; a <= n; a++)
        {
            for (var c = 0; c <= n; c++)
            {
                var weight = Binomial.Mass(a, n, p1) * Binomial.Mass(c, n, p2);
                if (weight > 0 && FisherExact.TwoSided(a, n - a, c, n - c) <= alpha + 1e-12)
                    power += weight;
            }
        }

        return power;
    }

    private static void Check(double p1, double p2, int n, double alpha)
    {
        Guard.Probability(p1);
        Guard.Probability(p2);
        Guard.Fraction(alpha);
        Guard.That(n >= 1, $"at least one pair, not {n}");
    }
}
