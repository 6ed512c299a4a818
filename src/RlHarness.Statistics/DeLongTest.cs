namespace RlHarness.Statistics;

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
