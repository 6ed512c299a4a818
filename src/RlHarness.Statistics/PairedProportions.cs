namespace RlHarness.Statistics;

/// <summary>
/// One query in two tiers: a yes in both, b yes only in the first, c yes only in the second, d no in both; difference (b − c)/n.
/// Fagerland, Lydersen and Laake 2013 and 2014 compare the tests and intervals.
/// </summary>
public sealed record PairedProportions(
    long N,
    double P1,
    double P2,
    double Difference,
    double StandardError,
    double McNemarExactP,
    double McNemarMidP,
    double McNemarChiSquared,
    double McNemarChiSquaredP,
    double McNemarCorrected,
    double McNemarCorrectedP,
    Interval Wald,
    Interval BonettPrice,
    Interval NewcombeMethod8,
    Interval NewcombeMethod10,
    Interval Tango
)
{
    public static PairedProportions Compare(long a, long b, long c, long d, double confidence = 0.95)
    {
        Guard.Table(a, b, c, d);
        var z = Normal.Z(confidence);
        double n = a + b + c + d,
            difference = (b - c) / n;
        double p1 = (a + b) / n,
            p2 = (a + c) / n;
        var error = Math.Sqrt(b + c - ((double)(b - c) * (b - c) / n)) / n;
        double discordant = b + c,
            apart = Math.Abs(b - c);
        var chi = discordant == 0 ? double.NaN : apart * apart / discordant;
        var corrected =
            discordant == 0 ? double.NaN
            : apart == 0 ? 0
            : (apart - 1) * (apart - 1) / discordant;
        double b1 = b + 1,
            c1 = c + 1,
            n2 = n + 2,
            shifted = (b1 - c1) / n2;
        return new(
            (long)n,
            p1,
            p2,
            difference,
            error,
            McNemarExact(b, c),
            McNemarMid(b, c),
            chi,
            Normal.TwoSided(Math.Sqrt(chi)),
            corrected,
            Normal.TwoSided(Math.Sqrt(corrected)),
            Interval.Around(difference, z * error).Clip(-1, 1),
            Interval.Around(shifted, z * Math.Sqrt(b1 + c1 - ((b1 - c1) * (b1 - c1) / n2)) / n2).Clip(-1, 1),
            NewcombePaired(a, b, c, d, confidence, corrected: false),
            NewcombePaired(a, b, c, d, confidence, corrected: true),
            TangoInterval(b, c, (long)n, z)
        );
    }

    /// <summary>2 P(X ≤ min(b, c)), X ~ Bin(b+c, ½), at most 1; 1 without discordant pairs.</summary>
    public static double McNemarExact(long b, long c)
    {
        Guard.That(b >= 0 && c >= 0, $"a count is negative: {b}, {c}");
        return b + c == 0 ? 1 : Math.Min(1, 2 * Binomial.Cdf(Math.Min(b, c), b + c, 0.5));
    }

    /// <summary>2 P(X &lt; k) + P(X = k), k = min(b, c); exactly 1 when b = c. Less conservative than the exact test, and rarely above its level.</summary>
    public static double McNemarMid(long b, long c)
    {
        Guard.That(b >= 0 && c >= 0, $"a count is negative: {b}, {c}");
        if (b == c)
            return 1;
        var k = Math.Min(b, c);
        return Math.Min(1, (2 * Binomial.Cdf(k - 1, b + c, 0.5)) + Binomial.Mass(k, b + c, 0.5));
    }

    /// <summary>φ = (ad−bc)/√((a+b)(c+d)(a+c)(b+d)), 0 when a margin is 0; method 10 takes max(ad−bc−n/2, 0) for a positive ad−bc.</summary>
    private static Interval NewcombePaired(double a, double b, double c, double d, double confidence, bool corrected)
    {
        var n = a + b + c + d;
        var margins = (a + b) * (c + d) * (a + c) * (b + d);
        var cross = (a * d) - (b * c);
        if (corrected && cross > 0)
            cross = Math.Max(cross - (n / 2), 0);
        var phi = margins == 0 ? 0 : cross / Math.Sqrt(margins);
        return TwoProportions.Hybrid(
            (a + b) / n,
            Proportion.Wilson((long)(a + b), (long)n, confidence),
            (a + c) / n,
            Proportion.Wilson((long)(a + c), (long)n, confidence),
            phi
        );
    }

    /// <summary>
    /// Limits δ with (b−c−nδ)/√(n(2q + δ(1−δ))) = ±z, q = (√(B²−8nC) − B)/(4n), B = −b−c+(2n−b+c)δ, C = −cδ(1−δ). Tango 1998, Statistics in Medicine 17:891.
    /// </summary>
    internal static Interval TangoInterval(double b, double c, double n, double z)
    {
        // A change δ leaves c's rate q and b's rate q + δ; the score falls as δ grows.
        double Score(double delta)
        {
            var linear = -b - c + (((2 * n) - b + c) * delta);
            var constant = -c * delta * (1 - delta);
            var q = (Math.Sqrt(Math.Max(0, (linear * linear) - (8 * n * constant))) - linear) / (4 * n);
            var variance = n * ((2 * q) + (delta * (1 - delta)));
            var distance = b - c - (n * delta);
            return variance > 0 ? distance / Math.Sqrt(variance)
                : distance == 0 ? 0
                : distance * double.PositiveInfinity;
        }

        var at = (b - c) / n;
        return new(
            at <= -1 ? -1 : RootFinding.Monotone(delta => Score(delta) - z, -1, at),
            at >= 1 ? 1 : RootFinding.Monotone(delta => Score(delta) + z, at, 1)
        );
    }
}
