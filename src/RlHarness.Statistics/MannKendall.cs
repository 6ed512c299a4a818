namespace RlHarness.Statistics;

/// <summary>
/// Monotone trend of an equally spaced series: S = Σ sign(x_j − x_i), Var S = [n(n−1)(2n+5) − Σ t(t−1)(2t+5)]/18, z with continuity correction
/// (Mann 1945, Kendall 1975); Sen's slope is the median of all pairwise slopes.
/// </summary>
internal sealed record MannKendall(double S, double Variance, double Z, double P, double TauA, double SenSlope)
{
    public static MannKendall Of(IReadOnlyList<double> values)
    {
        ArgumentNullException.ThrowIfNull(values);
        Guard.That(values.Count > 2, "three values or more are needed");
        double n = values.Count,
            s = 0;
        var slopes = new List<double>();
        for (var i = 0; i < values.Count; i++)
        {
            for (var j = i + 1; j < values.Count; j++)
            {
                s += Math.Sign(values[j] - values[i]);
                slopes.Add((values[j] - values[i]) / (j - i));
            }
        }

        var variance = ((n * (n - 1) * ((2 * n) + 5)) - RankCorrelation.Ties(values).Sum(t => t * (t - 1) * ((2 * t) + 5))) / 18;
        var z = s == 0 ? 0 : (s - Math.Sign(s)) / Math.Sqrt(variance);
        slopes.Sort();
        return new(s, variance, z, s == 0 ? 1 : Normal.TwoSided(z), s / (n * (n - 1) / 2), Quantiles.Type7(slopes, 0.5));
    }
}
