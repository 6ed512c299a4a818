namespace RlHarness.Statistics;

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
