namespace RlHarness.Tracking.Store;

/// <summary>One number of one step.</summary>
public sealed record MetricRow(string Stage, long Step, string Name, double Value, DateTimeOffset Time);
