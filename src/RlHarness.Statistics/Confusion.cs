namespace RlHarness.Statistics;

/// <summary>One detector at one threshold against the truth; a quantity whose denominator is 0 is NaN.</summary>
public sealed record Confusion(long TruePositives, long FalsePositives, long TrueNegatives, long FalseNegatives)
{
    private double Tp => TruePositives;

    private double Fp => FalsePositives;

    private double Tn => TrueNegatives;

    private double Fn => FalseNegatives;

    public double Sensitivity => Tp / (Tp + Fn);

    public double Specificity => Tn / (Tn + Fp);

    public double Precision => Tp / (Tp + Fp);

    public double NegativePredictiveValue => Tn / (Tn + Fn);

    public double Accuracy => (Tp + Tn) / (Tp + Tn + Fp + Fn);

    public double BalancedAccuracy => (Sensitivity + Specificity) / 2;

    public double F1 => 2 * Tp / ((2 * Tp) + Fp + Fn);

    public double Matthews => ((Tp * Tn) - (Fp * Fn)) / Math.Sqrt((Tp + Fp) * (Tp + Fn) * (Tn + Fp) * (Tn + Fn));

    public double YoudenJ => Sensitivity + Specificity - 1;

    public double LikelihoodRatioPositive => Sensitivity / (1 - Specificity);

    public double LikelihoodRatioNegative => (1 - Sensitivity) / Specificity;

    public Interval SensitivityWilson(double confidence = 0.95) => Wilson(TruePositives, TruePositives + FalseNegatives, confidence);

    public Interval SpecificityWilson(double confidence = 0.95) => Wilson(TrueNegatives, TrueNegatives + FalsePositives, confidence);

    public Interval PrecisionWilson(double confidence = 0.95) => Wilson(TruePositives, TruePositives + FalsePositives, confidence);

    public Interval NegativePredictiveValueWilson(double confidence = 0.95) => Wilson(TrueNegatives, TrueNegatives + FalseNegatives, confidence);

    /// <summary>Refuses negative counts and an empty table.</summary>
    public static Confusion Of(long tp, long fp, long tn, long fn)
    {
        Guard.Table(tp, fp, tn, fn);
        return new(tp, fp, tn, fn);
    }

    public static Confusion Of(IEnumerable<(bool Truth, bool Said)> calls)
    {
        ArgumentNullException.ThrowIfNull(calls);
        long tp = 0,
            fp = 0,
            tn = 0,
            fn = 0;
        foreach (var (truth, said) in calls)
        {
            if (truth && said)
                tp++;
            else if (said)
                fp++;
            else if (truth)
                fn++;
            else
                tn++;
        }

        return Of(tp, fp, tn, fn);
    }

    private static Interval Wilson(long x, long n, double confidence) => n == 0 ? Interval.None : Proportion.Wilson(x, n, confidence);
}
