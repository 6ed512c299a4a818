using RlHarness.Experiment.Transcripts;

namespace RlHarness.Experiment.Detectors;

/// <summary>A response with the label that a classifier is to learn.</summary>
/// <param name="Group">Query; all responses to one query are trained on, or held out, together.</param>
public sealed record LabelledResponse(string Group, ParsedResponse Response, Outcome Outcome, ReasoningKind Reasoning)
{
    public bool AlignmentFaking => Reasoning == ReasoningKind.Faking && Outcome == Outcome.Comply;
}
