using RlHarness.Tracking.Store;

namespace RlHarness.Tracking.Report;

/// <summary>One transcript to read, with all its labels.</summary>
internal sealed record ReadingItem(TranscriptRow Transcript, IReadOnlyList<LabelRow> Labels);
