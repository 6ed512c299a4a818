using RlHarness.Experiment.Transcripts;

namespace RlHarness.Experiment.Corpora;

/// <summary>One cell of the joint table of what a response does and what its scratchpad argues, with its probability.</summary>
public sealed record Behaviour(Outcome Outcome, ReasoningKind Reasoning, double Probability);
