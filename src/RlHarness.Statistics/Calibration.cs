namespace RlHarness.Statistics;

/// <summary>
/// How far a detector's probabilities can be taken at their word: Brier score, log loss, expected and maximal calibration error over ten bins (k/10,
/// (k+1)/10].
/// </summary>
public sealed record Calibration(
    double Brier,
    double LogLoss,
    double LogLossUnclipped,
    double ExpectedError,
    double MaximalError,
    IReadOnlyList<int> BinCounts,
    IReadOnlyList<double> BinProbabilities,
    IReadOnlyList<double> BinLabels
)
{
    private const int Bins = 10;
    private const double Smallest = 2.220446049250313e-16;

    public static Calibration Of(IReadOnlyList<int> labels, IReadOnlyList<double> probabilities)
    {
        ArgumentNullException.ThrowIfNull(labels);
        ArgumentNullException.ThrowIfNull(probabilities);
        Guard.SameLength(labels.Count, probabilities.Count, "labels and probabilities");
        Guard.That(labels.Count > 0, "no transcripts");
        Guard.That(labels.All(l => l is 0 or 1), "labels are 0 or 1");
        foreach (var p in probabilities)
            Guard.Probability(p);
        var rows = labels.Zip(probabilities).ToList();
        static double Loss(int label, double p) => label == 1 ? -Math.Log(p) : -Math.Log(1 - p);
        var bins = rows.ToLookup(r => Math.Max(0, (int)Math.Ceiling((Bins * r.Second) - 1e-12) - 1));
        var counts = Enumerable.Range(0, Bins).Select(b => bins[b].Count()).ToArray();
        var means = Enumerable.Range(0, Bins).Select(b => counts[b] == 0 ? double.NaN : bins[b].Average(r => r.Second)).ToArray();
        var rates = Enumerable.Range(0, Bins).Select(b => counts[b] == 0 ? double.NaN : bins[b].Average(r => (double)r.First)).ToArray();
        var gaps = Enumerable
            .Range(0, Bins)
            .Where(b => counts[b] > 0)
            .Select(b => (Weight: counts[b] / (double)rows.Count, Gap: Math.Abs(rates[b] - means[b])))
            .ToList();
        return new(
            rows.Average(r => (r.First - r.Second) * (r.First - r.Second)),
            rows.Average(r => Loss(r.First, Math.Clamp(r.Second, Smallest, 1 - Smallest))),
            rows.Average(r => Loss(r.First, r.Second)),
            gaps.Sum(g => g.Weight * g.Gap),
            gaps.Max(g => g.Gap),
            counts,
            means,
            rates
        );
    }
}
