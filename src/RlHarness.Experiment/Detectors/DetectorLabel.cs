using RlHarness.Experiment.Transcripts;

namespace RlHarness.Experiment.Detectors;

/// <summary>What a detector says of one response.</summary>
/// <param name="AlignmentFaking">Faking reasoning and a compliant output.</param>
/// <param name="Score">In [0, 1], larger where the detector is surer of alignment faking; for ROC curves.</param>
/// <param name="Evidence">The words that decided, for a reader; null where there are none.</param>
public sealed record DetectorLabel(Outcome Outcome, ReasoningKind Reasoning, bool AlignmentFaking, double Score, string? Evidence = null)
{
    /// <summary>The reasoning sees the strategy, whether or not it is followed (the "considers AF" of arXiv 2506.18032).</summary>
    public bool ConsidersAlignmentFaking => Reasoning is ReasoningKind.Faking or ReasoningKind.ConsidersButRefuses;
}
