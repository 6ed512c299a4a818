using RlHarness.Statistics;

namespace RlHarness.Experiment.Detectors;

/// <summary>
/// Whether a detector's sensitivity or specificity at a checkpoint differs from its first one: Fisher's exact test of each, two-sided; 1 without
/// labels.
/// </summary>
public sealed record DriftTest(double SensitivityP, double SpecificityP)
{
    public static DriftTest Of(
        (long Right, long N) sensitivityFirst,
        (long Right, long N) sensitivityNow,
        (long Right, long N) specificityFirst,
        (long Right, long N) specificityNow
    ) => new(P(sensitivityFirst, sensitivityNow), P(specificityFirst, specificityNow));

    private static double P((long Right, long N) a, (long Right, long N) b) =>
        a.N == 0 || b.N == 0 ? 1 : FisherExact.Test(a.Right, a.N - a.Right, b.Right, b.N - b.Right).P;
}
