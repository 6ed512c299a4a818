namespace RlHarness.Tracking.Report;

/// <summary>One stacked bar: shares by outcome class, in the order of <see cref="OutcomeChart.Classes"/>.</summary>
internal sealed record OutcomeBar(string Name, int N, IReadOnlyList<double> Shares);
