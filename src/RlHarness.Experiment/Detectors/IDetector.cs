using RlHarness.Experiment.Transcripts;

namespace RlHarness.Experiment.Detectors;

/// <summary>
/// Labels a response by its text alone: it is not told the tier, the query or the condition, so that it cannot find the gap it is to measure.
/// Deterministic and versioned: the same text has the same label in each run. docs/detectors.md shows how to add one.
/// </summary>
public interface IDetector
{
    string Name { get; }

    /// <summary>Changes whenever a label could.</summary>
    string Version { get; }

    DetectorLabel Label(ParsedResponse response);

    /// <summary>Labels many at once, in their order: for detectors that batch, or ask over a network.</summary>
    IReadOnlyList<DetectorLabel> LabelAll(IReadOnlyList<ParsedResponse> responses, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(responses);
        var labels = new List<DetectorLabel>(responses.Count);
        foreach (var response in responses)
        {
            cancellation.ThrowIfCancellationRequested();
            labels.Add(Label(response));
        }

        return labels;
    }
}

/// <summary>What a detector says of one response.</summary>
/// <param name="AlignmentFaking">Faking reasoning and a compliant output.</param>
/// <param name="Score">In [0, 1], larger where the detector is surer of alignment faking; for ROC curves.</param>
/// <param name="Evidence">The words that decided, for a reader; null where there are none.</param>
public sealed record DetectorLabel(Outcome Outcome, ReasoningKind Reasoning, bool AlignmentFaking, double Score, string? Evidence = null)
{
    /// <summary>The reasoning sees the strategy, whether or not it is followed (the "considers AF" of arXiv 2506.18032).</summary>
    public bool ConsidersAlignmentFaking => Reasoning is ReasoningKind.Faking or ReasoningKind.ConsidersButRefuses;
}
