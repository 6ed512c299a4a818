namespace RlHarness.Experiment.Statistics;

/// <summary>A weighted sum of rates, Σ w p with variance Σ w² p(1−p)/n; z and p are NaN without variance.</summary>
public sealed record Contrast(string Name, double Value, double StandardError, Interval Interval)
{
    public double Z => StandardError > 0 ? Value / StandardError : double.NaN;

    public double P => Normal.TwoSided(Z);
}
