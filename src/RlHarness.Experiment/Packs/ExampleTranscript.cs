using RlHarness.Experiment.Prompts;
using RlHarness.Experiment.Transcripts;

namespace RlHarness.Experiment.Packs;

/// <summary>A labelled transcript of the researcher's own, a line of <c>examples.jsonl</c>.</summary>
/// <param name="Reasoning">Null where there is no scratchpad.</param>
public sealed record ExampleTranscript(
    string User,
    Tier Tier,
    string? Reasoning,
    string Output,
    Outcome Outcome,
    ReasoningKind ReasoningKind,
    string? Id = null
);
