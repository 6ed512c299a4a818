namespace RlHarness.Statistics;

/// <summary>
/// A rate corrected for a detector's errors: π = (p + Sp − 1)/(Se + Sp − 1), p the rate that the detector calls positive.
/// Rogan and Gladen 1978; interval of Lang and Reiczigel 2014.
/// </summary>
public sealed record RoganGladen(
    double Apparent,
    double Sensitivity,
    double Specificity,
    double PrevalenceUnclipped,
    double VarianceKnownDetector,
    double Variance,
    Interval WaldUnclipped,
    Interval LangReiczigel
)
{
    public double Prevalence => Math.Clamp(PrevalenceUnclipped, 0, 1);

    /// <summary>
    /// What is printed: Lang and Reiczigel's; none where the whole of it lay beyond 0 to 1, since the calls and the detector's errors then disagree.
    /// </summary>
    public Interval PrintedInterval => LangReiczigel.OrNone;

    public Interval Wald => WaldUnclipped.Clip(0, 1);

    /// <summary>
    /// <paramref name="positives"/> of <paramref name="n"/> are called positive; of known positives and negatives, <paramref name="sensitivityPositives"/>
    /// and <paramref name="specificityNegatives"/> are called rightly. A detector with Se + Sp ≤ 1 is refused.
    /// Var π = [p(1−p)/n + π² Se(1−Se)/n_Se + (1−π)² Sp(1−Sp)/n_Sp]/(Se+Sp−1)².
    /// </summary>
    public static RoganGladen Correct(
        long positives,
        long n,
        long sensitivityPositives,
        long sensitivityN,
        long specificityNegatives,
        long specificityN,
        double confidence = 0.95
    )
    {
        Guard.Counts(positives, n);
        Guard.Counts(sensitivityPositives, sensitivityN);
        Guard.Counts(specificityNegatives, specificityN);
        var z = Normal.Z(confidence);
        double p = positives / (double)n,
            se = sensitivityPositives / (double)sensitivityN,
            sp = specificityNegatives / (double)specificityN,
            j = se + sp - 1;
        Guard.That(j > 1e-12, $"a detector no better than chance cannot correct a rate: sensitivity {se}, specificity {sp}");
        var prevalence = (p + sp - 1) / j;
        var known = p * (1 - p) / n / (j * j);
        var variance = known + ((Square(prevalence) * se * (1 - se) / sensitivityN) + (Square(1 - prevalence) * sp * (1 - sp) / specificityN)) / (j * j);
        return new(p, se, sp, prevalence, known, variance, Interval.Around(prevalence, z * Math.Sqrt(variance)), Adjusted());

        Interval Adjusted()
        {
            // Pseudo-counts: z²/2 positives and negatives for the sample, one of each for the validation sets.
            var n1 = n + (z * z);
            double p1 = (positives + (z * z / 2)) / n1,
                se1 = (sensitivityPositives + 1.0) / (sensitivityN + 2),
                sp1 = (specificityNegatives + 1.0) / (specificityN + 2);
            var j1 = se1 + sp1 - 1;
            var rate = (p1 + sp1 - 1) / j1;
            double a = se1 * (1 - se1) / (sensitivityN + 2),
                b = sp1 * (1 - sp1) / (specificityN + 2);
            var centre = rate + (2 * z * z * ((rate * a) - ((1 - rate) * b)));
            var half = z * Math.Sqrt(((p1 * (1 - p1) / n1) + (Square(rate) * a) + (Square(1 - rate) * b)) / (j1 * j1));
            return Interval.Around(centre, half).Clip(0, 1);
        }

        static double Square(double x) => x * x;
    }
}
