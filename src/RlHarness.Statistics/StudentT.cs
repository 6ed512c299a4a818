namespace RlHarness.Statistics;

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
