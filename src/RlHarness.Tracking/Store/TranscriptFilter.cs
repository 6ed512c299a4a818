using RlHarness.Experiment.Prompts;

namespace RlHarness.Tracking.Store;

/// <summary>Which transcripts to read; null means any.</summary>
public sealed record TranscriptFilter(
    string? Stage = null,
    long? Step = null,
    Split? Split = null,
    Tier? Tier = null,
    string? Condition = null,
    string? Id = null,
    int? Limit = null
);
