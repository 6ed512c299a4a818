namespace RlHarness.Tracking.Store;

/// <summary>Something that happened: a resume, a warning, a checkpoint.</summary>
public sealed record EventRow(long Id, DateTimeOffset Time, string Stage, long Step, string Level, string Message);
