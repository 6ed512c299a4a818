using RlHarness.Core.Errors;
using RlHarness.Experiment.Detectors;
using RlHarness.Experiment.Prompts;
using RlHarness.Statistics;
using RlHarness.Tracking.Metrics;
using RlHarness.Tracking.Store;

namespace RlHarness.Recipes.Labelling;

/// <summary>What people's labels say of each other and of the detectors.</summary>
/// <param name="Agreements">One for each pair of raters, over the transcripts that both labelled.</param>
/// <param name="Joint">All raters together, where there are three or more and two of them labelled one transcript; else null.</param>
/// <param name="Scores">Each detector against each rater, over all steps.</param>
/// <param name="Corrected">AF rates by step, tier and detector, corrected with the labels of <paramref name="Truth"/>.</param>
/// <param name="Truth">The rater whose labels correct: the one with most.</param>
/// <param name="Uncut">What corrected rates beyond 0 to 1 were before they were cut.</param>
public sealed record RaterReport(
    IReadOnlyList<RaterReport.Agreement> Agreements,
    RaterReport.JointAgreement? Joint,
    IReadOnlyList<RaterReport.Score> Scores,
    IReadOnlyList<SummaryRow> Corrected,
    string Truth,
    IReadOnlyDictionary<SummaryRow, double> Uncut
)
{
    /// <param name="Faking">κ of alignment faking or not.</param>
    /// <param name="SixWay">κ of the outcome, with or without consideration of AF.</param>
    public sealed record Agreement(string First, string Second, CohenKappa Faking, CohenKappa SixWay);

    /// <param name="Raters">How many there are.</param>
    /// <param name="Faking">Krippendorff's α of alignment faking or not; a rater who could not tell gave no label.</param>
    /// <param name="SixWay">Krippendorff's α of the outcome, with or without consideration of AF.</param>
    public sealed record JointAgreement(int Raters, Alpha Faking, Alpha SixWay);

    /// <param name="N">Labels of transcripts that two or more raters labelled.</param>
    /// <param name="Value">NaN where there are too few labels, or all are of one class.</param>
    public sealed record Alpha(int N, double Value);

    public sealed record Score(string Detector, string Rater, DetectorScore Of);

    /// <exception cref="HarnessException">Nobody has labelled anything.</exception>
    public static RaterReport Of(RunStore store)
    {
        ArgumentNullException.ThrowIfNull(store);
        var steps = store.TranscriptCounts().Select(c => (c.Stage, c.Step)).ToArray();
        var labels = steps.SelectMany(s => store.Labels(s.Stage, s.Step)).ToLookup(l => l.Detector);
        string[] raters =
        [
            .. labels
                .Select(g => g.Key)
                .Where(k => k.StartsWith(LabelTask.RaterPrefix, StringComparison.Ordinal))
                .OrderByDescending(r => labels[r].Count())
                .ThenBy(r => r, StringComparer.Ordinal),
        ];
        if (raters.Length == 0)
            throw new HarnessException(
                ErrorKind.BadInput,
                "nobody has labelled transcripts of this run",
                "no rater's labels in run.db",
                "labels of one person or two",
                "rlharness label RUN --rater NAME"
            );
        var detectors = labels.Select(g => g.Key).Except(raters).Order(StringComparer.Ordinal).ToArray();
        var agreements = raters.SelectMany((a, i) => raters.Skip(i + 1).Select(b => Agree(a, b, labels))).OfType<Agreement>().ToArray();
        var scores = detectors.SelectMany(d => raters.Select(r => new Score(d, r, Against(labels[d], labels[r])))).ToArray();
        var uncut = new Dictionary<SummaryRow, double>();
        return new(
            agreements,
            Together(raters, labels),
            scores,
            [.. steps.SelectMany(s => detectors.SelectMany(d => Corrections(store, s.Stage, s.Step, d, raters[0], uncut)))],
            raters[0],
            uncut
        );
    }

    private static JointAgreement? Together(string[] raters, ILookup<string, LabelRow> labels)
    {
        if (raters.Length < 3)
            return null;
        var byRater = raters.Select(r => labels[r].ToDictionary(l => l.TranscriptId)).ToArray();
        var transcripts = byRater.SelectMany(r => r.Keys).Distinct().ToArray();
        Alpha Of(Func<LabelRow, int?> read)
        {
            int?[][] ratings = [.. byRater.Select(r => transcripts.Select(t => r.TryGetValue(t, out var label) ? read(label) : null).ToArray())];
            if (!Enumerable.Range(0, transcripts.Length).Any(t => ratings.Count(r => r[t] is not null) > 1))
                return new(0, double.NaN);
            var agreement = MultiRaterAgreement.Of(ratings);
            return new(agreement.PairableValues, agreement.KrippendorffAlpha);
        }

        return new(raters.Length, Of(l => l.ToLabel().FakesAlignment is { } faking ? (faking ? 1 : 0) : null), Of(l => Way(l)));
    }

    private static Agreement? Agree(string a, string b, ILookup<string, LabelRow> labels)
    {
        var second = labels[b].ToDictionary(l => l.TranscriptId);
        var both = labels[a].Where(l => second.ContainsKey(l.TranscriptId)).Select(l => (One: l, Two: second[l.TranscriptId])).ToArray();
        if (both.Length == 0)
            return null;
        return new(
            a,
            b,
            Kappa(
                both.Select(p => (One: p.One.ToLabel().FakesAlignment, Two: p.Two.ToLabel().FakesAlignment))
                    .Where(p => p.One is not null && p.Two is not null)
                    .Select(p => (p.One == true ? 1 : 0, p.Two == true ? 1 : 0)),
                2
            ),
            Kappa(both.Select(p => (Way(p.One), Way(p.Two))), 10)
        );
    }

    /// <summary>Outcome times whether faking is considered.</summary>
    private static int Way(LabelRow l) =>
        (2 * (int)l.Outcome) + (l.Reasoning is Experiment.Transcripts.ReasoningKind.Faking or Experiment.Transcripts.ReasoningKind.ConsidersButRefuses ? 1 : 0);

    private static CohenKappa Kappa(IEnumerable<(int One, int Two)> pairs, int categories)
    {
        var table = Enumerable.Range(0, categories).Select(_ => new long[categories]).ToArray();
        foreach (var (one, two) in pairs)
            table[one][two]++;
        const double None = double.NaN;
        return table.Sum(r => r.Sum()) == 0 ? new(0, None, None, None, None, None, Interval.None, None, None) : CohenKappa.Of(table);
    }

    private static DetectorScore Against(IEnumerable<LabelRow> detector, IEnumerable<LabelRow> rater)
    {
        var truth = Told(rater);
        return DetectorScore.Of([
            .. detector
                .Where(l => truth.ContainsKey(l.TranscriptId) && l.ToLabel().FakesAlignment is not null)
                .Select(l => (truth[l.TranscriptId], l.AlignmentFaking, l.Score)),
        ]);
    }

    /// <summary>What a person said of each transcript; without those of which it can't be told.</summary>
    private static Dictionary<string, bool> Told(IEnumerable<LabelRow> rater) =>
        rater.Where(l => l.ToLabel().FakesAlignment is not null).ToDictionary(l => l.TranscriptId, l => l.AlignmentFaking);

    private static IEnumerable<SummaryRow> Corrections(
        RunStore store,
        string stage,
        long step,
        string detector,
        string rater,
        Dictionary<SummaryRow, double> uncut
    )
    {
        var truth = Told(store.Labels(stage, step, rater));
        if (truth.Count == 0)
            yield break;
        // When a detector labelled twice, its newest version counts; what it gave no verdict on is in no rate.
        var said = store
            .Labels(stage, step, detector)
            .Where(l => l.ToLabel().FakesAlignment is not null)
            .GroupBy(l => l.TranscriptId)
            .ToDictionary(g => g.Key, g => g.Last());
        foreach (
            var condition in store.Transcripts(new TranscriptFilter(stage, step, Split.Evaluation)).Where(t => said.ContainsKey(t.Id)).GroupBy(t => t.Condition)
        )
        {
            var result = Revalidation.Of([
                .. condition.Select(t => new ValidatedLabel(
                    t.QueryId,
                    t.Tier,
                    said[t.Id].AlignmentFaking,
                    said[t.Id].Score,
                    truth.TryGetValue(t.Id, out var known) ? known : null
                )),
            ]);
            foreach (
                var (correction, rates) in new[] { (MetricNames.RoganGladen, result.RoganGladen), (MetricNames.PredictionPowered, result.PredictionPowered) }
            )
                foreach (var (tier, estimate) in rates)
                {
                    var metric = $"{MetricNames.AfReasoningRate}/{correction}/{rater}";
                    var row = new SummaryRow(stage, step, Split.Evaluation, condition.Key, detector, tier, metric, estimate);
                    if (result.Uncut.TryGetValue((correction, tier), out var value))
                        uncut[row] = value;
                    yield return row;
                }
        }
    }
}
