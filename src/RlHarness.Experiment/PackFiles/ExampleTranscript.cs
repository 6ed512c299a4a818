using RlHarness.Experiment.Prompts;
using RlHarness.Experiment.Transcripts;

namespace RlHarness.Experiment.PackFiles;

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

/// <summary>Two outputs for one request, without scratchpad, tier or system prompt: what a reward model of the objective learns from.</summary>
public sealed record PreferencePair(string QueryId, string User, string Chosen, string Rejected);
