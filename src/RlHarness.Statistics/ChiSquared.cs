using MathNet.Numerics;

namespace RlHarness.Statistics;

/// <summary>The χ² distribution.</summary>
internal static class ChiSquared
{
    /// <summary>P(X &gt; x) = Q(ν/2, x/2).</summary>
    public static double Survival(double x, double df)
    {
        Check(df);
        if (x <= 0)
            return 1;
        return df == 1 ? SpecialFunctions.Erfc(Math.Sqrt(x / 2))
            : df == 2 ? Math.Exp(-x / 2)
            : SpecialFunctions.GammaUpperRegularized(df / 2, x / 2);
    }

    public static double Cdf(double x, double df)
    {
        Check(df);
        return x <= 0 ? 0 : SpecialFunctions.GammaLowerRegularized(df / 2, x / 2);
    }

    /// <summary>x with lower tail <paramref name="p"/>.</summary>
    public static double Quantile(double p, double df)
    {
        Guard.Probability(p);
        return UpperQuantile(1 - p, df);
    }

    /// <summary>x with upper tail <paramref name="p"/>.</summary>
    public static double UpperQuantile(double p, double df)
    {
        Check(df);
        Guard.Probability(p);
        if (p == 0)
            return double.PositiveInfinity;
        if (p == 1)
            return 0;
        var high = Math.Max(1, df);
        while (Survival(high, df) > p)
            high *= 2;
        // On a log scale, and by the smaller tail, which keeps its digits.
        return Math.Exp(
            RootFinding.Monotone(
                log => p < 0.5 ? Math.Log(Survival(Math.Exp(log), df) / p) : Math.Log(Math.Max(Cdf(Math.Exp(log), df), 1e-320) / (1 - p)),
                -700,
                Math.Log(high)
            )
        );
    }

    private static void Check(double df) => Guard.That(df > 0, $"degrees of freedom above 0, not {df}");
}
