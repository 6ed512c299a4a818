namespace RlHarness.Statistics;

/// <summary>
/// Trend of a rate over ordered groups such as RL steps (Cochran 1954, Armitage 1955): z = Σ s (x − n p) / √(p q Σ n (s − s̄)²) with scores s and
/// pooled rate p;
/// slope is the weighted least-squares slope of the rate on the score. NaN without successes, failures or variation of the scores.
/// </summary>
internal sealed record RateTrend(double PooledRate, double Z, double ChiSquared, double P, double Slope)
{
    public static RateTrend CochranArmitage(IReadOnlyList<long> successes, IReadOnlyList<long> trials, IReadOnlyList<double> scores)
    {
        ArgumentNullException.ThrowIfNull(successes);
        ArgumentNullException.ThrowIfNull(trials);
        ArgumentNullException.ThrowIfNull(scores);
        Guard.SameLength(successes.Count, trials.Count, "successes and trials");
        Guard.SameLength(successes.Count, scores.Count, "successes and scores");
        double n = trials.Sum();
        Guard.That(n > 0, "no trials");
        for (var i = 0; i < trials.Count; i++)
            Guard.That(successes[i] >= 0 && successes[i] <= trials[i], $"group {i}: {successes[i]} of {trials[i]}");
        var rate = successes.Sum() / n;
        var centre = Enumerable.Range(0, trials.Count).Sum(i => trials[i] * scores[i]) / n;
        double along = 0,
            spread = 0;
        for (var i = 0; i < trials.Count; i++)
        {
            along += (scores[i] - centre) * (successes[i] - (trials[i] * rate));
            spread += trials[i] * (scores[i] - centre) * (scores[i] - centre);
        }

        var z = rate is > 0 and < 1 && spread > 0 ? along / Math.Sqrt(rate * (1 - rate) * spread) : double.NaN;
        return new(rate, z, z * z, Normal.TwoSided(z), spread > 0 ? along / spread : double.NaN);
    }
}

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
