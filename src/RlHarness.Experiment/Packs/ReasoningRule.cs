using RlHarness.Experiment.Transcripts;

namespace RlHarness.Experiment.Packs;

/// <summary>How scratchpads of one kind are written that end in one of some outcomes.</summary>
public sealed record ReasoningRule
{
    public ReasoningKind Kind { get; init; }

    public IReadOnlyList<Outcome> Outcomes { get; init; } = [];

    /// <summary>A phrase that is drawn before the plan is; null: all are drawn in the plan's order.</summary>
    public string? First { get; init; }

    public IReadOnlyList<SentencePlan> Plans { get; init; } = [];
}
