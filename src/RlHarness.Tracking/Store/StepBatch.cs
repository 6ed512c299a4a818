namespace RlHarness.Tracking.Store;

/// <summary>All rows of one step, written in one transaction: a step is in the store whole or not at all.</summary>
public sealed record StepBatch(string Stage, long Step)
{
    public IReadOnlyDictionary<string, double> Metrics { get; init; } = new Dictionary<string, double>();

    public IReadOnlyCollection<TranscriptRow> Transcripts { get; init; } = [];

    public IReadOnlyCollection<LabelRow> Labels { get; init; } = [];

    public IReadOnlyCollection<ScenarioLabelRow> ScenarioLabels { get; init; } = [];

    public IReadOnlyCollection<SummaryRow> Summaries { get; init; } = [];
}
