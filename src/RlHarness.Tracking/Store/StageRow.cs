namespace RlHarness.Tracking.Store;

/// <summary>One stage of the run.</summary>
/// <param name="Status"><c>running</c>, <c>done</c>, <c>failed</c>, <c>interrupted</c>.</param>
/// <param name="Fingerprint">Hash of all that the stage depends on; null where it is not cached.</param>
public sealed record StageRow(string Stage, string Status, DateTimeOffset Started, DateTimeOffset? Ended, string? Fingerprint, string? Detail);
