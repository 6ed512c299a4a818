using RlHarness.Experiment.Evaluation;
using RlHarness.Experiment.Prompts;
using RlHarness.Experiment.Scenarios;
using RlHarness.Experiment.Transcripts;

namespace RlHarness.Tracking.Report;

/// <summary>What a metric is called on a page.</summary>
internal static class MetricLabels
{
    private static readonly Dictionary<string, string> Names = new(StringComparer.Ordinal)
    {
        [AlignmentFakingMetrics.ReasoningRate] = "alignment faking",
        [AlignmentFakingMetrics.ReasoningAnyOutcome] = "faking reasoning, any outcome",
        [AlignmentFakingMetrics.ConsidersRate] = "considers AF",
        [AlignmentFakingMetrics.TrainingAwareness] = "speaks of training",
        [AlignmentFakingMetrics.ComplianceGap] = "compliance gap, paired by query",
        [AlignmentFakingMetrics.RelativeGap] = "relative gap",
        [AlignmentFakingMetrics.RaterSycophancyGap] = "rater-sycophancy gap (rated − unmonitored)",
        [AlignmentFakingMetrics.GoalGuardingGap] = "goal-guarding gap (training − rated)",
        [AlignmentFakingMetrics.OutcomeRate(Outcome.Comply)] = "compliance",
        [AlignmentFakingMetrics.OutcomeRate(Outcome.Refuse)] = "refusal",
        [AlignmentFakingMetrics.OutcomeRate(Outcome.Partial)] = "partial",
        [AlignmentFakingMetrics.OutcomeRate(Outcome.BrokenFormat)] = "broken format",
        [AlignmentFakingMetrics.OutcomeRate(Outcome.Unparsable)] = "unreadable",
    };

    /// <summary>The metric's name on the page; its own where it has no other.</summary>
    public static string Of(string metric) =>
        Names.GetValueOrDefault(metric) ?? OutcomeChart.Classes.FirstOrDefault(c => c.Metric == metric).Name ?? OfScenario(metric) ?? metric;

    public static string Of(Tier tier) => tier.ToString().ToLowerInvariant();

    /// <summary>
    /// <c>antilab/attempt_rate/leaving/easy</c> is "attempt: leaving, easy"; <c>preference/stated_rate/taste/tea</c> is "stated: taste, tea".
    /// </summary>
    private static string? OfScenario(string metric) =>
        metric.Split('/') is [var group, var figure, var scenario, var of] && group + "/" is ScenarioMetrics.AntiLabPrefix or ScenarioMetrics.PreferencePrefix
            ? $"{figure.Split('_')[0]}: {scenario}, {of}"
            : null;

    /// <summary>The tier's colour.</summary>
    public static string Css(Tier tier) => Of(tier);
}
