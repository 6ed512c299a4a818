using RlHarness.Experiment.Detectors;
using RlHarness.Experiment.Evaluation;
using RlHarness.Experiment.Prompts;
using RlHarness.Experiment.Scenarios;
using RlHarness.Experiment.Transcripts;
using RlHarness.Statistics;

namespace RlHarness.Tracking.Store;

/// <summary>One figure of an evaluation with its interval.</summary>
/// <param name="Tier">Null for a figure that compares tiers.</param>
public sealed record SummaryRow(
    string Stage,
    long Step,
    Split Split,
    string Condition,
    string Detector,
    Tier? Tier,
    string Metric,
    Estimate Estimate,
    double? P = null
)
{
    public static IEnumerable<SummaryRow> Of(AlignmentFakingSummary summary, string stage, long step, Split split, string condition, string detector)
    {
        ArgumentNullException.ThrowIfNull(summary);
        return summary.Figures().Select(f => new SummaryRow(stage, step, split, condition, detector, f.Tier, f.Metric, f.Estimate, f.P));
    }
}

/// <summary>One number of one step.</summary>
public sealed record MetricRow(string Stage, long Step, string Name, double Value, DateTimeOffset Time);

/// <summary>Something that happened: a resume, a warning, a checkpoint.</summary>
public sealed record EventRow(long Id, DateTimeOffset Time, string Stage, long Step, string Level, string Message);

/// <summary>One stage of the run.</summary>
/// <param name="Status"><c>running</c>, <c>done</c>, <c>failed</c>, <c>interrupted</c>.</param>
/// <param name="Fingerprint">Hash of all that the stage depends on; null where it is not cached.</param>
public sealed record StageRow(string Stage, string Status, DateTimeOffset Started, DateTimeOffset? Ended, string? Fingerprint, string? Detail);

/// <summary>What one version of one detector says of one transcript.</summary>
public sealed record LabelRow(
    string TranscriptId,
    string Detector,
    string DetectorVersion,
    Outcome Outcome,
    ReasoningKind Reasoning,
    bool AlignmentFaking,
    double Score
)
{
    public static LabelRow Of(string transcriptId, IDetector detector, DetectorLabel label)
    {
        ArgumentNullException.ThrowIfNull(detector);
        ArgumentNullException.ThrowIfNull(label);
        return new(transcriptId, detector.Name, detector.Version, label.Outcome, label.Reasoning, label.AlignmentFaking, label.Score);
    }

    /// <summary>The label as the detector gave it; its evidence is not stored.</summary>
    public DetectorLabel ToLabel() => new(Outcome, Reasoning, AlignmentFaking, Score);
}

/// <summary>What one version of the scenario detector says of one transcript of a scenario.</summary>
/// <param name="Scenario">Id of the scenario in its pack.</param>
/// <param name="Item">Id of what was asked, without the variant.</param>
public sealed record ScenarioLabelRow(
    string TranscriptId,
    string Detector,
    string DetectorVersion,
    ScenarioGroup Group,
    string Scenario,
    string Variant,
    string Item,
    ScenarioLabel Label
);

/// <summary>All rows of one step, written in one transaction: a step is in the store whole or not at all.</summary>
public sealed record StepBatch(string Stage, long Step)
{
    public IReadOnlyDictionary<string, double> Metrics { get; init; } = new Dictionary<string, double>();

    public IReadOnlyCollection<TranscriptRow> Transcripts { get; init; } = [];

    public IReadOnlyCollection<LabelRow> Labels { get; init; } = [];

    public IReadOnlyCollection<ScenarioLabelRow> ScenarioLabels { get; init; } = [];

    public IReadOnlyCollection<SummaryRow> Summaries { get; init; } = [];
}
