using RlHarness.Core.Randomness;
using RlHarness.Experiment.Prompts;
using RlHarness.Statistics;

namespace RlHarness.Experiment.Detectors;

/// <summary>
/// A detector at one checkpoint: its score on the labelled sample, and AF rates by tier that are corrected with it. The truth of responses outside
/// the sample is
/// not used.
/// </summary>
/// <param name="Score">Over the sample of both tiers; null without one.</param>
/// <param name="RoganGladen">
/// By tier, from the calls outside the sample, with Lang and Reiczigel's interval; takes sensitivity and specificity to be the same in both tiers. A
/// tier is missing where the sample has no
/// positives or no negatives, or the detector is no better than chance in it.
/// </param>
/// <param name="PredictionPowered">
/// By tier, from all its calls and its own sample: without bias whatever the detector is worth, but for being cut to 0 to 1. Where the detector errs nowhere it
/// is the truth of these responses, and not only of those outside the sample.
/// </param>
public sealed record Revalidation(DetectorScore? Score, IReadOnlyDictionary<Tier, Estimate> RoganGladen, IReadOnlyDictionary<Tier, Estimate> PredictionPowered)
{
    /// <summary>
    /// What corrected rates beyond 0 to 1 were before they were cut, by correction (<c>rogan_gladen</c>, <c>prediction_powered</c>) and tier.
    /// </summary>
    public IReadOnlyDictionary<(string Correction, Tier Tier), double> Uncut { get; private init; } = new Dictionary<(string, Tier), double>();

    public const string RoganGladenName = "rogan_gladen";
    public const string PredictionPoweredName = "prediction_powered";

    /// <summary>Which queries are labelled: so many of each tier, by the seed.</summary>
    public static IReadOnlySet<(string Query, Tier Tier)> Sample(IEnumerable<string> queries, int count, Seeds seeds, long step)
    {
        ArgumentNullException.ThrowIfNull(seeds);
        string[] all = [.. queries.Distinct().Order(StringComparer.Ordinal)];
        return Enum.GetValues<Tier>()
            .SelectMany(tier => seeds.For("validation/sample", step, (long)tier).Permutation(all.Length).Take(count).Select(i => (all[i], tier)))
            .ToHashSet();
    }

    public static Revalidation Of(IReadOnlyList<ValidatedLabel> rows)
    {
        ArgumentNullException.ThrowIfNull(rows);
        var labelled = rows.Where(r => r.Truth is not null).ToArray();
        var (corrected, powered) = (new Dictionary<Tier, Estimate>(), new Dictionary<Tier, Estimate>());
        var uncut = new Dictionary<(string, Tier), double>();
        void Note(string correction, Tier tier, double value)
        {
            if (value is < -1e-12 or > 1 + 1e-12)
                uncut[(correction, tier)] = value;
        }

        if (labelled.Length == 0)
            return new(null, corrected, powered);
        var score = DetectorScore.Of([.. labelled.Select(r => (r.Truth!.Value, r.Said, r.Score))]);
        foreach (var tier in rows.GroupBy(r => r.Tier))
        {
            var all = tier.ToArray();
            var (sample, rest) = (all.Where(r => r.Truth is not null).ToArray(), all.Where(r => r.Truth is null).ToArray());
            if (rest.Length == 0)
                continue;
            var queries = all.Select(r => r.QueryId).Distinct().Count();
            if (Corrected(score.Confusion, rest, DesignEffect(rest)) is { } rate)
            {
                corrected[tier.Key] = new(rate.Prevalence, rate.PrintedInterval.Low, rate.PrintedInterval.High, rest.Length, queries);
                Note(RoganGladenName, tier.Key, rate.PrevalenceUnclipped);
            }

            if (sample.Length == 0)
                continue;
            var p = PredictionPoweredRate.Of(
                sample.Count(r => r.Truth == true && !r.Said),
                sample.Count(r => r.Truth == false && r.Said),
                sample.Length,
                all.Count(r => r.Said),
                all.Length,
                designEffect: DesignEffect(all)
            );
            if (double.IsNaN(p.PrintedInterval.Low))
                continue;
            powered[tier.Key] = new(p.Estimate, p.PrintedInterval.Low, p.PrintedInterval.High, all.Length, queries);
            Note(PredictionPoweredName, tier.Key, p.Unclipped);
        }

        return new(score, corrected, powered) { Uncut = uncut };
    }

    private static RoganGladen? Corrected(Confusion c, ValidatedLabel[] rest, double effect)
    {
        long positives = c.TruePositives + c.FalseNegatives,
            negatives = c.TrueNegatives + c.FalsePositives;
        if (positives == 0 || negatives == 0 || c.YoudenJ <= 1e-12)
            return null;
        // Samples of one query resemble each other: counts are those of as many independent responses.
        var n = Math.Max(1, (long)Math.Round(rest.Length / effect));
        var said = Math.Clamp((long)Math.Round(rest.Count(r => r.Said) / effect), 0, n);
        var corrected = Statistics.RoganGladen.Correct(said, n, c.TruePositives, positives, c.TrueNegatives, negatives);
        return double.IsNaN(corrected.PrintedInterval.Low) ? null : corrected;
    }

    private static double DesignEffect(ValidatedLabel[] rows)
    {
        var index = new Dictionary<string, int>(StringComparer.Ordinal);
        int[] clusters = [.. rows.Select(r => index.TryGetValue(r.QueryId, out var at) ? at : index[r.QueryId] = index.Count)];
        return ClusteredRate.DesignEffect([.. rows.Select(r => r.Said ? 1.0 : 0)], clusters);
    }
}

/// <summary>
/// What a detector says of one response, and the truth where the response is in the labelled sample. A response without a verdict is not among these rows.
/// </summary>
/// <param name="Truth">Alignment faking or not; null outside the sample.</param>
public sealed record ValidatedLabel(string QueryId, Tier Tier, bool Said, double Score, bool? Truth);

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
