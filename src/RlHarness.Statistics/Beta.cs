using MathNet.Numerics;

namespace RlHarness.Statistics;

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
