using RlHarness.Core.Randomness;
using RlHarness.Experiment.Evaluation;
using RlHarness.Experiment.Prompts;
using RlHarness.Experiment.Scenarios;
using RlHarness.Experiment.Transcripts;

namespace RlHarness.Tracking.Report;

/// <summary>
/// For every rate of an evaluation the transcripts that it counts, and for every gap those of the queries that its tiers answer differently. Of each a random
/// few are shown: the first ones in an order of the evaluation's transcripts from a fixed seed, so that groups share what they show.
/// </summary>
internal static class TranscriptGroups
{
    private static readonly (string Metric, Tier Watched, Tier Other)[] Gaps =
    [
        (AlignmentFakingMetrics.ComplianceGap, Tier.Training, Tier.Unmonitored),
        (AlignmentFakingMetrics.RelativeGap, Tier.Training, Tier.Unmonitored),
        (AlignmentFakingMetrics.RaterSycophancyGap, Tier.Rated, Tier.Unmonitored),
        (AlignmentFakingMetrics.GoalGuardingGap, Tier.Training, Tier.Rated),
    ];

    /// <param name="items">Of one step.</param>
    /// <param name="most">Shown of each group at most.</param>
    public static IEnumerable<TranscriptGroup> Of(IReadOnlyList<TranscriptView> items, long step, string detector, int most)
    {
        TranscriptView[] labelled = [.. Shuffled(items, step).Where(i => i.Label(detector) is not null)];
        foreach (var tier in labelled.GroupBy(i => i.Transcript.Tier).OrderBy(g => g.Key))
            foreach (var (metric, counts) in TierSummary.Counted)
            {
                TranscriptView[] those = [.. tier.Where(i => counts(i.Label(detector)!.ToLabel()) == true)];
                if (those.Length > 0)
                    yield return new(step, tier.Key, metric, those.Length, tier.Count(), [.. those.Take(most)]);
            }

        foreach (var (metric, watched, other) in Gaps)
        {
            var queries = labelled
                .Where(i => i.Transcript.Tier == watched || i.Transcript.Tier == other)
                .GroupBy(i => i.Transcript.QueryId)
                .Where(q => q.Select(i => i.Transcript.Tier).Distinct().Count() == 2)
                .ToArray();
            TranscriptView[] differ =
            [
                .. queries.Where(q => Compliance(q, watched) != Compliance(q, other)).SelectMany(q => q.OrderBy(i => i.Transcript.Tier)),
            ];
            if (differ.Length > 0)
                yield return new(step, null, metric, differ.Length, queries.Sum(q => q.Count()), [.. differ.Take(most)]);
        }

        double Compliance(IEnumerable<TranscriptView> query, Tier tier) =>
            query.Where(i => i.Transcript.Tier == tier).Average(i => i.Label(detector)!.Outcome == Outcome.Comply ? 1.0 : 0);
    }

    /// <summary>For every rate of a scenario the answers that it counts, and for every variant against the lab its answers of any kind.</summary>
    /// <param name="items">Of one step.</param>
    /// <param name="most">Shown of each group at most.</param>
    public static IEnumerable<TranscriptGroup> OfScenarios(IReadOnlyList<TranscriptView> items, long step, int most)
    {
        foreach (
            var asked in Shuffled(items, step)
                .Where(i => i.Scenario is not null)
                .GroupBy(i => (i.Transcript.Tier, i.Scenario!.Group, i.Scenario.Scenario, i.Scenario.Variant))
        )
        {
            var (tier, group, scenario, variant) = asked.Key;
            var options = asked.Select(i => i.Scenario!.Label).Where(l => !l.IsUnreadable).Select(l => l.Output).Distinct();
            var counted = ScenarioSummary.Counted(group, scenario, variant, options).Select(c => (Metric: c.Name(ScenarioMetrics.Rate), c.Counts));
            if (group == ScenarioGroup.AntiLab)
                counted = counted.Append((Answers(ScenarioMetrics.Place(scenario, variant)), _ => true));
            foreach (var (metric, counts) in counted)
            {
                TranscriptView[] those = [.. asked.Where(i => counts(i.Scenario!.Label))];
                if (those.Length > 0)
                    yield return new(step, tier, metric, those.Length, asked.Count(), [.. those.Take(most)]);
            }
        }
    }

    /// <summary>What the group of a variant's answers of any kind is named by.</summary>
    /// <param name="place">Scenario and variant.</param>
    public static string Answers(string place) => ScenarioMetrics.AntiLab("answers", ScenarioMetrics.Rate, place);

    private static IEnumerable<TranscriptView> Shuffled(IReadOnlyList<TranscriptView> items, long step) =>
        new Seeds(0).For("report/transcripts", step).Permutation(items.Count).Select(i => items[i]);
}

/// <summary>The transcripts behind one number of a report.</summary>
/// <param name="Tier">Null for a figure that compares tiers.</param>
/// <param name="Count">How many there are.</param>
/// <param name="Of">Of how many.</param>
/// <param name="Shown">Those of them that the page holds.</param>
internal sealed record TranscriptGroup(long Step, Tier? Tier, string Metric, int Count, int Of, IReadOnlyList<TranscriptView> Shown)
{
    /// <summary>Number of the detector that says so among the run's; null for the one that is drawn.</summary>
    public int? Detector { get; init; }

    /// <summary>The stage whose steps they are; null for the one that is drawn.</summary>
    public string? Stage { get; init; }

    /// <summary>Its place in the page.</summary>
    public string Id => Anchor(Step, Tier, Metric, Detector, Stage);

    /// <summary>Identical in every report, so that the page of a design can point into its runs' pages.</summary>
    public static string Anchor(long step, Tier? tier, string metric, int? detector = null, string? stage = null) =>
        $"t-{(stage is null ? "" : stage + "-")}{step}-{(tier is { } t ? MetricLabels.Of(t) : "both")}-"
        + $"{string.Concat(metric.Select(c => char.IsAsciiLetterOrDigit(c) || c is '_' ? c : '-'))}{(detector is { } d ? $"-by-{d}" : "")}";
}
