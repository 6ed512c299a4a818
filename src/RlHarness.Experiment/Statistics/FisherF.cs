namespace RlHarness.Experiment.Statistics;

/// <summary>The F distribution.</summary>
public static class FisherF
{
    /// <summary>P(F &gt; x) = I(d2/(d2 + d1 x); d2/2, d1/2).</summary>
    public static double Survival(double x, double df1, double df2)
    {
        Demand.That(df1 > 0 && df2 > 0, $"degrees of freedom above 0, not {df1} and {df2}");
        return x <= 0 ? 1 : Beta.Regularized(df2 / 2, df1 / 2, df2 / (df2 + (df1 * x)));
    }

    /// <summary>x with lower tail <paramref name="p"/>: d2 b/(d1 (1 − b)) of the beta quantile b, from the end where b keeps its digits.</summary>
    public static double Quantile(double p, double df1, double df2)
    {
        Demand.That(df1 > 0 && df2 > 0, $"degrees of freedom above 0, not {df1} and {df2}");
        Demand.Probability(p);
        if (p == 1)
            return double.PositiveInfinity;
        var b = Beta.Quantile(p, df1 / 2, df2 / 2);
        return df2 * b / (df1 * (1 - b));
    }
}
