namespace RlHarness.Statistics;

/// <summary>
/// One figure per seed, or one difference per pair of seeds: t interval and test, and the exact two-sided sign-flip p, the share of sign patterns whose
/// |sum| reaches the observed one, for up to 12 seeds (else NaN). Seeds are the unit of a claim about training.
/// </summary>
public sealed record SeedMean(int N, double Mean, double StandardDeviation, double StandardError, double T, double P, double SignFlipP)
{
    public const int MostSeedsForSignFlip = 12;

    public int Df => N - 1;

    public static SeedMean Of(IReadOnlyList<double> values, double nullValue = 0)
    {
        ArgumentNullException.ThrowIfNull(values);
        Guard.That(values.Count > 0, "no seeds");
        var n = values.Count;
        var mean = values.Average();
        // A mean of equal values may differ from them in the last bit.
        var sd =
            n < 2 ? double.NaN
            : values.All(v => v == values[0]) ? 0
            : Math.Sqrt(values.Sum(v => (v - mean) * (v - mean)) / (n - 1));
        var t = sd > 0 ? (mean - nullValue) / (sd / Math.Sqrt(n)) : double.NaN;
        return new(n, mean, sd, sd / Math.Sqrt(n), t, sd > 0 ? StudentT.TwoSided(t, n - 1) : double.NaN, SignFlip(values, nullValue));
    }

    public Interval TInterval(double confidence = 0.95)
    {
        Guard.Fraction(confidence);
        return N < 2 ? Interval.None : Interval.Around(Mean, StudentT.T(confidence, Df) * StandardError);
    }

    private static double SignFlip(IReadOnlyList<double> values, double nullValue)
    {
        if (values.Count > MostSeedsForSignFlip)
            return double.NaN;
        var shifts = values.Select(v => v - nullValue).ToArray();
        var observed = Math.Abs(shifts.Sum()) - (1e-9 * shifts.Sum(Math.Abs));
        var reached = 0;
        for (var pattern = 0; pattern < 1 << shifts.Length; pattern++)
        {
            var sum = 0.0;
            for (var i = 0; i < shifts.Length; i++)
                sum += ((pattern >> i) & 1) == 1 ? -shifts[i] : shifts[i];
            if (Math.Abs(sum) >= observed)
                reached++;
        }

        return reached / (double)(1 << shifts.Length);
    }
}
