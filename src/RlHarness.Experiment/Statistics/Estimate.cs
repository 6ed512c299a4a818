namespace RlHarness.Experiment.Statistics;

/// <summary>A figure as it is printed: value, 95 % interval, number of observations, number of independent clusters (queries).</summary>
public readonly record struct Estimate(double Value, double Low, double High, int N, int Clusters);
