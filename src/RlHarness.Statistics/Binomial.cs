using MathNet.Numerics;

namespace RlHarness.Statistics;

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
