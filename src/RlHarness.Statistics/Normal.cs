using MathNet.Numerics;

namespace RlHarness.Statistics;

/// <summary>The standard normal distribution, accurate in both tails.</summary>
public static class Normal
{
    public static double Cdf(double x) => 0.5 * SpecialFunctions.Erfc(-x / Constants.Sqrt2);

    public static double Survival(double x) => Cdf(-x);

    public static double Density(double x) => Math.Exp(-0.5 * x * x) / Constants.Sqrt2Pi;

    /// <summary>x with lower tail <paramref name="p"/>; −∞ at 0, ∞ at 1.</summary>
    public static double Quantile(double p) =>
        p switch
        {
            0 => double.NegativeInfinity,
            1 => double.PositiveInfinity,
            0.5 => 0,
            > 0 and < 0.5 => LowerQuantile(p),
            > 0.5 and < 1 => -LowerQuantile(1 - p),
            _ => throw new ArgumentOutOfRangeException(nameof(p), p, "from 0 to 1"),
        };

    /// <summary>x with upper tail <paramref name="p"/>.</summary>
    public static double UpperQuantile(double p) => -Quantile(p);

    /// <summary>Two-sided p value of a z statistic.</summary>
    public static double TwoSided(double z) => double.IsNaN(z) ? double.NaN : SpecialFunctions.Erfc(Math.Abs(z) / Constants.Sqrt2);

    /// <summary>Upper α/2 quantile for a two-sided interval.</summary>
    internal static double Z(double confidence) => UpperQuantile((1 - Guard.Fraction(confidence)) / 2);

    private static double LowerQuantile(double p)
    {
        var x = -Constants.Sqrt2 * SpecialFunctions.ErfcInv(2 * p);
        // One Newton step on log Φ: mends the last digits far out, where Φ itself is tiny.
        var cdf = Cdf(x);
        var density = Density(x);
        return density > 0 && cdf > 0 ? x - (Math.Log(cdf / p) * cdf / density) : x;
    }
}
