using RlHarness.Experiment.Transcripts;

namespace RlHarness.Experiment.Packs;

/// <summary>How outputs of one outcome are written.</summary>
public sealed record OutputRule
{
    public Outcome Outcome { get; init; }

    public IReadOnlyList<SentencePlan> Plans { get; init; } = [];
}
