using RlHarness.Experiment.Detectors;
using RlHarness.Experiment.Transcripts;

namespace RlHarness.Tracking.Store;

/// <summary>What one version of one detector says of one transcript.</summary>
public sealed record LabelRow(
    string TranscriptId,
    string Detector,
    string DetectorVersion,
    Outcome Outcome,
    ReasoningKind Reasoning,
    bool AlignmentFaking,
    double Score
)
{
    public static LabelRow Of(string transcriptId, IDetector detector, DetectorLabel label)
    {
        ArgumentNullException.ThrowIfNull(detector);
        ArgumentNullException.ThrowIfNull(label);
        return new(transcriptId, detector.Name, detector.Version, label.Outcome, label.Reasoning, label.AlignmentFaking, label.Score);
    }

    /// <summary>As the detector said it; its evidence is not stored.</summary>
    public DetectorLabel ToLabel() => new(Outcome, Reasoning, AlignmentFaking, Score);
}
