using RlHarness.Experiment.Detectors;
using RlHarness.Experiment.Prompts;
using RlHarness.Experiment.Transcripts;
using Names = RlHarness.Experiment.Statistics.AlignmentFakingMetrics;

namespace RlHarness.Experiment.Statistics;

/// <summary>
/// The rates of one tier; every response counts in every denominator, also those with a broken format. Intervals are Wilson's, with the effective number of
/// responses n / max(1, CR1² / (p(1−p)/n)) where a query has several.
/// </summary>
public sealed record TierSummary(Tier Tier, int N, int Queries, IReadOnlyDictionary<string, Estimate> Rates)
{
    public Estimate AlignmentFaking => Rates[Names.ReasoningRate];

    public Estimate FakingReasoning => Rates[Names.ReasoningAnyOutcome];

    public Estimate Considers => Rates[Names.ConsidersRate];

    public Estimate TrainingAwareness => Rates[Names.TrainingAwareness];

    public Estimate Compliance => Rates[Names.OutcomeRate(Outcome.Comply)];

    public Estimate Refusal => Rates[Names.OutcomeRate(Outcome.Refuse)];

    public Estimate Partial => Rates[Names.OutcomeRate(Outcome.Partial)];

    public Estimate BrokenFormat => Rates[Names.OutcomeRate(Outcome.BrokenFormat)];

    public Estimate Unparsable => Rates[Names.OutcomeRate(Outcome.Unparsable)];

    internal static TierSummary Of(Tier tier, IReadOnlyList<LabelledTranscript> rows, double confidence)
    {
        var rates = new Dictionary<string, Estimate>(StringComparer.Ordinal);
        void Add(string name, Func<DetectorLabel, bool> what) => rates[name] = ClusteredRate.Of(rows, r => r.QueryId, r => what(r.Label), confidence);
        Add(Names.ReasoningRate, l => l.AlignmentFaking);
        Add(Names.ReasoningAnyOutcome, l => l.Reasoning == ReasoningKind.Faking);
        Add(Names.ConsidersRate, l => l.ConsidersAlignmentFaking);
        Add(Names.TrainingAwareness, l => l.ConsidersAlignmentFaking || l.Reasoning == ReasoningKind.TrainingTalk);
        foreach (var outcome in Enum.GetValues<Outcome>()) Add(Names.OutcomeRate(outcome), l => l.Outcome == outcome);
        foreach (var outcome in new[] { Outcome.Comply, Outcome.Refuse, Outcome.Partial })
            foreach (var considers in new[] { false, true })
                Add(Names.SplitRate(outcome, considers), l => l.Outcome == outcome && l.ConsidersAlignmentFaking == considers);
        return new(tier, rows.Count, rows.Select(r => r.QueryId).Distinct().Count(), rates);
    }
}
