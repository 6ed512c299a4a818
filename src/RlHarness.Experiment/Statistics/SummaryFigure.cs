using RlHarness.Experiment.Prompts;

namespace RlHarness.Experiment.Statistics;

/// <summary>One figure of a summary under its metric name.</summary>
/// <param name="Tier">Null for a figure that compares tiers.</param>
/// <param name="P">Two-sided p value, where the figure has a test.</param>
public sealed record SummaryFigure(string Metric, Tier? Tier, Estimate Estimate, double? P = null);
