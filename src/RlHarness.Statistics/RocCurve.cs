namespace RlHarness.Statistics;

/// <summary>
/// A detector's scores against the truth; called positive when score ≥ threshold. One point for each distinct score after (0, 0). AUROC with DeLong's variance
/// S10/m + S01/n over placements ψ = 1, ½, 0 (DeLong, DeLong and Clarke-Pearson 1988), NaN with a single positive or negative.
/// </summary>
public sealed record RocCurve(
    IReadOnlyList<double> FalsePositiveRates,
    IReadOnlyList<double> TruePositiveRates,
    IReadOnlyList<double> Thresholds,
    int Positives,
    int Negatives,
    double Auroc,
    double DeLongVariance
)
{
    /// <summary>Σ (R_k − R_{k−1}) P_k over thresholds, without interpolation.</summary>
    public double AveragePrecision
    {
        get
        {
            var sum = 0.0;
            for (var i = 1; i < Thresholds.Count; i++)
            {
                double tp = TruePositiveRates[i] * Positives,
                    fp = FalsePositiveRates[i] * Negatives;
                sum += (TruePositiveRates[i] - TruePositiveRates[i - 1]) * (tp / (tp + fp));
            }

            return sum;
        }
    }

    /// <summary>Largest TPR − FPR, at the highest threshold that reaches it.</summary>
    public (double J, double Threshold) Youden
    {
        get
        {
            var best = Enumerable.Range(0, Thresholds.Count).Max(i => TruePositiveRates[i] - FalsePositiveRates[i]);
            var at = Enumerable.Range(0, Thresholds.Count).First(i => TruePositiveRates[i] - FalsePositiveRates[i] >= best - 1e-12);
            return (TruePositiveRates[at] - FalsePositiveRates[at], Thresholds[at]);
        }
    }

    /// <param name="labels">1 positive, 0 negative; both must occur.</param>
    public static RocCurve Of(IReadOnlyList<int> labels, IReadOnlyList<double> scores)
    {
        CheckClasses(labels, scores);
        var order = Enumerable.Range(0, labels.Count).OrderByDescending(i => scores[i]).ToArray();
        double m = labels.Count(l => l == 1),
            n = labels.Count - m;
        List<double> fpr = [0],
            tpr = [0],
            thresholds = [double.PositiveInfinity];
        double tp = 0,
            fp = 0;
        for (var i = 0; i < order.Length; i++)
        {
            if (labels[order[i]] == 1)
                tp++;
            else
                fp++;
            if (i + 1 < order.Length && scores[order[i + 1]] == scores[order[i]])
                continue;
            fpr.Add(fp / n);
            tpr.Add(tp / m);
            thresholds.Add(scores[order[i]]);
        }

        var (v10, v01) = Placements(labels, scores);
        return new(fpr, tpr, thresholds, (int)m, (int)n, v10.Average(), (Covariance(v10, v10) / m) + (Covariance(v01, v01) / n));
    }

    /// <summary>AUROC ± z SE, clipped into [0, 1].</summary>
    public Interval DeLongInterval(double confidence = 0.95)
    {
        var z = Normal.Z(confidence);
        return double.IsNaN(DeLongVariance) ? Interval.None : Interval.Around(Auroc, z * Math.Sqrt(DeLongVariance)).Clip(0, 1);
    }

    /// <summary>On the logit scale, which stays inside (0, 1); NaN at an AUROC of 0 or 1.</summary>
    public Interval DeLongLogitInterval(double confidence = 0.95)
    {
        var z = Normal.Z(confidence);
        if (double.IsNaN(DeLongVariance) || Auroc is <= 0 or >= 1)
            return Interval.None;
        var (centre, half) = (Math.Log(Auroc / (1 - Auroc)), z * Math.Sqrt(DeLongVariance) / (Auroc * (1 - Auroc)));
        return new(1 / (1 + Math.Exp(half - centre)), 1 / (1 + Math.Exp(-half - centre)));
    }

    /// <summary>
    /// What is printed: DeLong's on the logit scale, which covers 95 % where the plain one covers 93.5 (docs/statistics.md). At an AUROC of 1 (or 0), where no
    /// variance is left, as if min(m, n) comparisons had been made and all won: (α/2)^(1/min) to 1.
    /// </summary>
    public Interval PrintedInterval(double confidence = 0.95)
    {
        var bound = Math.Pow((1 - Guard.Fraction(confidence)) / 2, 1.0 / Math.Min(Positives, Negatives));
        return Auroc >= 1 ? new(bound, 1)
            : Auroc <= 0 ? new(0, 1 - bound)
            : DeLongLogitInterval(confidence);
    }

    /// <summary>Highest TPR of any point whose FPR is within the limit, with the highest such threshold.</summary>
    public (double Rate, double Threshold) TprAtFpr(double limit)
    {
        var within = Enumerable.Range(0, Thresholds.Count).Where(i => FalsePositiveRates[i] <= limit).ToList();
        var best = within.Max(i => TruePositiveRates[i]);
        return (best, Thresholds[within.First(i => TruePositiveRates[i] == best)]);
    }

    /// <summary>
    /// Around <see cref="TprAtFpr"/>: Wilson's half-widths, which take the threshold as given, and those of the threshold, in quadrature. How many of n
    /// negatives lie above the threshold that a share <paramref name="limit"/> of all negatives exceeds is binomial, so that it lies between two of their order
    /// statistics. Cautious; Wilson's interval alone covers 72 to 86 % (docs/statistics.md).
    /// </summary>
    public Interval TprAtFprInterval(double limit, double confidence = 0.95)
    {
        var tail = (1 - Guard.Fraction(confidence)) / 2;
        long fewest = Binomial.Quantile(tail, Negatives, limit),
            most = Binomial.Quantile(1 - tail, Negatives, limit);
        var rate = TprAtFpr(limit).Rate;
        var wilson = Proportion.Wilson((long)Math.Round(rate * Positives), Positives, confidence);
        // Half a negative more, so that rounding of k / n does not decide.
        double Rate(long flagged) => flagged < 0 ? 0 : TprAtFpr((flagged + 0.5) / Negatives).Rate;
        double Half(double a, double b) => Math.Sqrt((a * a) + (b * b));
        return new Interval(
            rate - Half(rate - wilson.Low, rate - Math.Min(rate, Rate(fewest - 1))),
            rate + Half(wilson.High - rate, Math.Max(rate, Rate(most)) - rate)
        ).Clip(0, 1);
    }

    internal static void CheckClasses(IReadOnlyList<int> labels, IReadOnlyList<double> scores)
    {
        ArgumentNullException.ThrowIfNull(labels);
        ArgumentNullException.ThrowIfNull(scores);
        Guard.SameLength(labels.Count, scores.Count, "labels and scores");
        Guard.That(labels.All(l => l is 0 or 1), "labels are 0 or 1");
        Guard.That(labels.Contains(1) && labels.Contains(0), "both classes are needed");
    }

    /// <summary>For each positive the share of negatives below it (ties half), and for each negative the share of positives above it.</summary>
    internal static (double[] V10, double[] V01) Placements(IReadOnlyList<int> labels, IReadOnlyList<double> scores)
    {
        var positives = Enumerable.Range(0, labels.Count).Where(i => labels[i] == 1).Select(i => scores[i]).ToArray();
        var negatives = Enumerable.Range(0, labels.Count).Where(i => labels[i] == 0).Select(i => scores[i]).ToArray();
        var (above, below) = ((double[])positives.Clone(), (double[])negatives.Clone());
        Array.Sort(above);
        Array.Sort(below);
        return (
            [.. positives.Select(x => (Below(below, x) + (0.5 * Equal(below, x))) / below.Length)],
            [.. negatives.Select(x => (above.Length - Below(above, x) - (0.5 * Equal(above, x))) / above.Length)]
        );

        static double Below(double[] sorted, double x) => FirstWhere(sorted, v => v >= x);
        static double Equal(double[] sorted, double x) => FirstWhere(sorted, v => v > x) - FirstWhere(sorted, v => v >= x);
        static int FirstWhere(double[] sorted, Func<double, bool> reached)
        {
            int low = 0,
                high = sorted.Length;
            while (low < high)
            {
                var middle = (low + high) / 2;
                if (reached(sorted[middle]))
                    high = middle;
                else
                    low = middle + 1;
            }

            return low;
        }
    }

    internal static double Covariance(double[] x, double[] y)
    {
        if (x.Length < 2)
            return double.NaN;
        double mx = x.Average(),
            my = y.Average(),
            sum = 0;
        for (var i = 0; i < x.Length; i++)
            sum += (x[i] - mx) * (y[i] - my);
        return sum / (x.Length - 1);
    }
}

/// <summary>
/// Two detectors on the same transcripts: difference of AUROCs with the covariance of correlated curves (DeLong et al. 1988). z and p are NaN without
/// variance.
/// </summary>
internal sealed record DeLongTest(
    double Auroc1,
    double Auroc2,
    double Difference,
    double Variance1,
    double Variance2,
    double Covariance,
    double StandardError,
    double Z,
    double P,
    Interval Interval
)
{
    public static DeLongTest Compare(IReadOnlyList<int> labels, IReadOnlyList<double> scores1, IReadOnlyList<double> scores2, double confidence = 0.95)
    {
        RocCurve.CheckClasses(labels, scores1);
        RocCurve.CheckClasses(labels, scores2);
        var z = Normal.Z(confidence);
        var (a10, a01) = RocCurve.Placements(labels, scores1);
        var (b10, b01) = RocCurve.Placements(labels, scores2);
        Guard.That(a10.Length > 1 && a01.Length > 1, "two positives and two negatives are needed for a variance");
        double Joint(double[] x10, double[] y10, double[] x01, double[] y01) =>
            (RocCurve.Covariance(x10, y10) / x10.Length) + (RocCurve.Covariance(x01, y01) / x01.Length);
        double v1 = Joint(a10, a10, a01, a01),
            v2 = Joint(b10, b10, b01, b01),
            v12 = Joint(a10, b10, a01, b01);
        var difference = a10.Average() - b10.Average();
        var variance = v1 + v2 - (2 * v12);
        var error = variance > 1e-16 ? Math.Sqrt(variance) : 0;
        var statistic = error > 0 ? difference / error : double.NaN;
        return new(a10.Average(), b10.Average(), difference, v1, v2, v12, error, statistic, Normal.TwoSided(statistic), Interval.Around(difference, z * error));
    }
}
