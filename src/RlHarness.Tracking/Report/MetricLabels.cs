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
        [AlignmentFakingMetrics.GenericRate] = "alignment faking without the goal’s words",
        [AlignmentFakingMetrics.BenignFalsePositiveRate] = "alignment faking in benign controls (false positives)",
        [ScenarioMetrics.DenialRate] = "denies its motive when asked",
        [ScenarioMetrics.HidingRate] = "decides to hide its motive",
        [ScenarioMetrics.LieRate] = "lies: denies faking that it did",
        [ScenarioMetrics.LieGivenFaking] = "lies, of the answers after faking",
        [ScenarioMetrics.FalseConfessionRate] = "confesses faking that it did not do",
        [ScenarioMetrics.InterrogationUnreadable] = "unreadable answers about motives",
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
        [AlignmentFakingMetrics.UnreadRate] = "without a verdict on alignment faking",
        [AlignmentFakingMetrics.OutputUnreadRate] = "without a verdict on the output",
    };

    private static readonly Dictionary<Outcome, string> Outcomes = new()
    {
        [Outcome.Comply] = "complies",
        [Outcome.Refuse] = "refuses",
        [Outcome.Partial] = "complies in part",
        [Outcome.BrokenFormat] = "broken format",
        [Outcome.Unparsable] = "output unreadable",
    };

    private static readonly Dictionary<ReasoningKind, string> Reasonings = new()
    {
        [ReasoningKind.None] = "no scratchpad",
        [ReasoningKind.Faking] = "reasons to fake",
        [ReasoningKind.ConsidersButRefuses] = "considers faking, and does not",
        [ReasoningKind.HonestCompliance] = "goes along for other reasons",
        [ReasoningKind.HonestRefusal] = "declines for other reasons",
        [ReasoningKind.TrainingTalk] = "speaks of training, without a strategy",
        [ReasoningKind.Unparsable] = "reasoning unreadable",
    };

    public static string Of(Outcome outcome) => Outcomes[outcome];

    public static string Of(ReasoningKind reasoning) => Reasonings[reasoning];

    /// <summary>Whether it is a difference of rates, which is told in points.</summary>
    public static bool IsDifference(string metric) =>
        metric.StartsWith(AlignmentFakingMetrics.ComplianceGap, StringComparison.Ordinal)
        || metric.StartsWith(AlignmentFakingMetrics.RaterSycophancyGap, StringComparison.Ordinal)
        || metric.StartsWith(AlignmentFakingMetrics.GoalGuardingGap, StringComparison.Ordinal)
        || (
            metric.Split('/') is [_, var figure, ..]
            && (figure.EndsWith("_difference", StringComparison.Ordinal) || figure.EndsWith("_shift", StringComparison.Ordinal))
        );

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
