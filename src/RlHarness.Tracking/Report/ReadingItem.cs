using RlHarness.Experiment.Statistics;
using RlHarness.Tracking.Store;

namespace RlHarness.Tracking.Report;

/// <summary>One transcript with all its labels.</summary>
internal sealed record ReadingItem(TranscriptRow Transcript, IReadOnlyList<LabelRow> Labels)
{
    /// <summary>What a scenario's detector says of it; null for a transcript of the paired evaluation.</summary>
    public ScenarioLabelRow? Scenario { get; init; }

    /// <summary>What the newest version of a detector says of it.</summary>
    public LabelRow? Label(string detector) => Labels.LastOrDefault(l => l.Detector == detector);

    /// <summary>As statistics count it; null without a label.</summary>
    public LabelledTranscript? Labelled(string detector) => Label(detector) is { } label ? new(Transcript.QueryId, Transcript.Tier, label.ToLabel()) : null;
}
