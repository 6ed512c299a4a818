namespace RlHarness.Statistics;

/// <summary>Exponential moving average m ← β m + (1 − β) x.</summary>
public static class MovingAverage
{
    /// <summary>From m = 0, then divided by 1 − β^t: a curve without the pull towards 0 at its start.</summary>
    public static double[] Corrected(IReadOnlyList<double> values, double beta) => Run(values, beta, corrected: true);

    /// <summary>From m = 0, not corrected.</summary>
    public static double[] Raw(IReadOnlyList<double> values, double beta) => Run(values, beta, corrected: false);

    private static double[] Run(IReadOnlyList<double> values, double beta, bool corrected)
    {
        ArgumentNullException.ThrowIfNull(values);
        Guard.That(beta is >= 0 and < 1, $"beta from 0 up to, not including, 1; not {beta}");
        var averages = new double[values.Count];
        double average = 0,
            power = 1;
        for (var t = 0; t < values.Count; t++)
        {
            average = (beta * average) + ((1 - beta) * values[t]);
            power *= beta;
            averages[t] = corrected ? average / (1 - power) : average;
        }

        return averages;
    }
}
