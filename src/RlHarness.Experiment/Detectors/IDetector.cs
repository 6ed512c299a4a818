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
