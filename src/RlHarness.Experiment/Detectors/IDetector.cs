using RlHarness.Experiment.Transcripts;

namespace RlHarness.Experiment.Detectors;

/// <summary>
/// Labels a response by its text alone: it is not told the tier, the query or the condition, so that it cannot find the gap it is to measure.
/// Deterministic, local and versioned: the same text has the same label in each run.
/// </summary>
public interface IDetector
{
    string Name { get; }

    /// <summary>Changes whenever a label could.</summary>
    string Version { get; }

    DetectorLabel Label(ParsedResponse response);
}
