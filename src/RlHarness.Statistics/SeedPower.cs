using MathNet.Numerics;

namespace RlHarness.Statistics;

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
