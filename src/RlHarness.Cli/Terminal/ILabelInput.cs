using RlHarness.Experiment.Transcripts;

namespace RlHarness.Cli.Terminal;

/// <summary>Where a person's labels come from.</summary>
internal interface ILabelInput
{
    /// <summary>What the output of the transcript that is shown does, and what its scratchpad argues; null when the person stops.</summary>
    (Outcome Outcome, ReasoningKind Reasoning)? Next();
}
