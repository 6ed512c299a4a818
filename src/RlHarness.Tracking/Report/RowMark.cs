using RlHarness.Experiment.Statistics;

namespace RlHarness.Tracking.Report;

/// <summary>One value of a row: a dot or a bar with its interval.</summary>
/// <param name="Name">What its colour stands for.</param>
internal sealed record RowMark(string Name, string Css, Estimate Of, string? Href = null);
