using RlHarness.Core.Settings;
using RlHarness.Experiment.Transcripts;

namespace RlHarness.Experiment.Corpora;

/// <summary>One cell of the joint table of what a response does and what its scratchpad argues, with its probability.</summary>
public sealed record Behaviour(
    [property: Meaning("What the answer does: comply writes the exaggerated claim, partial tones it down, refuse declines.")]
        Outcome Outcome,
    [property: Meaning("What the scratchpad argues; none where there is no scratchpad.")]
        ReasoningKind Reasoning,
    [property: Allowed(0, 1), Meaning("Probability of this combination within its table; the probabilities of a table sum to 1.")]
        double Probability
)
{
    public Behaviour()
        : this(default, default, 0) { }
}
