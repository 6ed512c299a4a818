namespace RlHarness.Statistics;

/// <summary>
/// A sample in numbers: variance with n − 1 (NaN for one value), median and quartiles of type 7, MAD = median |x − median| and scaled to the normal, skewness
/// g1 = m3/m2^1.5 and G1 = g1 √(n(n−1))/(n−2), excess kurtosis m4/m2² − 3; NaN without variance.
/// </summary>
public sealed record Moments(
    int N,
    double Mean,
    double Sum,
    double Min,
    double Max,
    double Variance,
    double VariancePopulation,
    double Median,
    double InterquartileRange,
    double Mad,
    double MadNormal,
    double Skewness,
    double SkewnessAdjusted,
    double ExcessKurtosis
)
{
    private const double UpperQuartile = 0.6744897501960817;

    public double StandardDeviation => Math.Sqrt(Variance);

    public static Moments Of(IReadOnlyList<double> values)
    {
        ArgumentNullException.ThrowIfNull(values);
        Guard.That(values.Count > 0, "no values");
        double n = values.Count,
            mean = values.Average();
        var sorted = values.Order().ToArray();
        var varies = sorted[0] != sorted[^1];
        double Central(int power) => values.Sum(v => Math.Pow(v - mean, power)) / n;
        var (m2, m3, m4) = varies ? (Central(2), Central(3), Central(4)) : (0, 0, 0);
        var median = Quantiles.Type7(sorted, 0.5);
        var mad = Quantiles.Type7([.. values.Select(v => Math.Abs(v - median)).Order()], 0.5);
        var skew = varies ? m3 / Math.Pow(m2, 1.5) : double.NaN;
        return new(
            values.Count,
            mean,
            values.Sum(),
            sorted[0],
            sorted[^1],
            n > 1 ? m2 * n / (n - 1) : double.NaN,
            m2,
            median,
            Quantiles.Type7(sorted, 0.75) - Quantiles.Type7(sorted, 0.25),
            mad,
            mad / UpperQuartile,
            skew,
            n > 2 ? skew * Math.Sqrt(n * (n - 1)) / (n - 2) : double.NaN,
            varies ? (m4 / (m2 * m2)) - 3 : double.NaN
        );
    }
}
