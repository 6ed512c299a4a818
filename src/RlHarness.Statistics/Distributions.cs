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

/// <summary>Student's t distribution.</summary>
public static class StudentT
{
    /// <summary>P(T &gt; x) = ½ I(ν/(ν+x²); ν/2, ½) for x ≥ 0.</summary>
    public static double Survival(double x, double df)
    {
        if (!(df > 0))
            throw new ArgumentOutOfRangeException(nameof(df), df, "above 0");
        if (x == 0)
            return 0.5;
        // Near the centre ν/(ν+x²) rounds to 1: take the complement there, where the tail is large and nothing cancels.
        var square = x * x;
        var half = square < 1 ? 0.5 * (1 - Beta.Regularized(0.5, df / 2, square / (df + square))) : 0.5 * Beta.Regularized(df / 2, 0.5, df / (df + square));
        return x > 0 ? half : 1 - half;
    }

    public static double Cdf(double x, double df) => Survival(-x, df);

    public static double TwoSided(double t, double df) => double.IsNaN(t) ? double.NaN : Math.Min(1, 2 * Survival(Math.Abs(t), df));

    /// <summary>x with upper tail <paramref name="p"/>, by Newton's method inside a bracket.</summary>
    public static double UpperQuantile(double p, double df)
    {
        Guard.Probability(p);
        if (p == 0)
            return double.PositiveInfinity;
        if (p == 1)
            return double.NegativeInfinity;
        if (p == 0.5)
            return 0;
        if (p > 0.5)
            return -UpperQuantile(1 - p, df);
        var high = 1.0;
        while (Survival(high, df) > p)
            high *= 2;
        return RootFinding.Monotone(x => Math.Log(Survival(x, df) / p), 0, high);
    }

    /// <summary>x with lower tail <paramref name="p"/>.</summary>
    public static double Quantile(double p, double df) => -UpperQuantile(p, df);

    internal static double T(double confidence, double df) => UpperQuantile((1 - Guard.Fraction(confidence)) / 2, df);
}

/// <summary>A t test of a difference with its interval; NaN but for the interval, which is then the point, where nothing varies.</summary>
internal sealed record TTest(double T, double Df, double P, Interval Interval)
{
    internal static TTest Of(double difference, double error, double df, double confidence)
    {
        if (double.IsNaN(error))
            return new(double.NaN, double.NaN, double.NaN, Interval.None);
        if (error == 0)
            return new(double.NaN, double.NaN, double.NaN, new(difference, difference));
        var t = difference / error;
        return new(t, df, StudentT.TwoSided(t, df), Interval.Around(difference, StudentT.T(confidence, df) * error));
    }
}

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

/// <summary>The beta distribution, and the binomial through it.</summary>
internal static class Beta
{
    /// <summary>I(x; a, b), the regularised incomplete beta function.</summary>
    internal static double Regularized(double a, double b, double x) =>
        x <= 0 ? 0
        : x >= 1 ? 1
        : SpecialFunctions.BetaRegularized(a, b, x);

    public static double Cdf(double x, double a, double b)
    {
        Check(a, b);
        return Regularized(a, b, x);
    }

    /// <summary>x with I(x; a, b) = <paramref name="p"/>.</summary>
    public static double Quantile(double p, double a, double b)
    {
        Guard.Probability(p);
        Check(a, b);
        if (p is 0 or 1)
            return p;
        // Near an end the distance to that end is what counts: solve for the smaller of x and 1 − x, on a log scale.
        return Regularized(a, b, 0.5) >= p ? Solve(p, a, b, upper: false) : 1 - Solve(p, b, a, upper: true);

        static double Solve(double p, double a, double b, bool upper) =>
            Math.Exp(
                RootFinding.Monotone(
                    logX =>
                    {
                        var tail = Regularized(a, b, Math.Exp(logX));
                        return upper ? p - (1 - tail)
                            : tail <= 0 ? double.NegativeInfinity
                            : Math.Log(tail / p);
                    },
                    -740,
                    Math.Log(0.5)
                )
            );
    }

    private static void Check(double a, double b) => Guard.That(a > 0 && b > 0, $"beta needs positive parameters, got {a} and {b}");
}

/// <summary>The binomial distribution.</summary>
internal static class Binomial
{
    public static double LogMass(long k, long n, double p)
    {
        Guard.Probability(p);
        if (k < 0 || k > n)
            return double.NegativeInfinity;
        if (p == 0)
            return k == 0 ? 0 : double.NegativeInfinity;
        if (p == 1)
            return k == n ? 0 : double.NegativeInfinity;
        return LogChoose(n, k) + (k * Math.Log(p)) + ((n - k) * SpecialFunctions.Log1p(-p));
    }

    public static double Mass(long k, long n, double p) => Math.Exp(LogMass(k, n, p));

    /// <summary>P(X ≤ k).</summary>
    public static double Cdf(long k, long n, double p) =>
        k < 0 ? 0
        : k >= n ? 1
        : Beta.Regularized(n - k, k + 1, 1 - Guard.Probability(p));

    /// <summary>P(X &gt; k).</summary>
    public static double Survival(long k, long n, double p) =>
        k < 0 ? 1
        : k >= n ? 0
        : Beta.Regularized(k + 1, n - k, p);

    /// <summary>The smallest k with P(X ≤ k) ≥ <paramref name="tail"/>.</summary>
    public static long Quantile(double tail, long n, double p)
    {
        Guard.Probability(tail);
        // The end of the support, also where the last masses are too small for a double.
        if (tail == 1)
            return Guard.Probability(p) == 0 ? 0 : n;
        long low = 0,
            high = n;
        while (low < high)
        {
            var middle = (low + high) / 2;
            if (tail < 0.5 ? Cdf(middle, n, p) >= tail : Survival(middle, n, p) <= 1 - tail)
                high = middle;
            else
                low = middle + 1;
        }

        return low;
    }

    internal static double LogChoose(long n, long k)
    {
        if (k == 0 || k == n)
            return 0;
        return SpecialFunctions.GammaLn(n + 1.0) - SpecialFunctions.GammaLn(k + 1.0) - SpecialFunctions.GammaLn(n - k + 1.0);
    }
}
