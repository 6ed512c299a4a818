using RlHarness.Experiment.Statistics;

namespace RlHarness.Tracking.Metrics;

/// <summary>An estimate as metrics: its value by name, and <c>/lo</c>, <c>/hi</c>, <c>/n</c> behind it.</summary>
public static class EstimateMetrics
{
    public static void Put(this IDictionary<string, double> metrics, string name, Estimate estimate)
    {
        ArgumentNullException.ThrowIfNull(metrics);
        (metrics[name], metrics[name + "/lo"], metrics[name + "/hi"], metrics[name + "/n"]) = (estimate.Value, estimate.Low, estimate.High, estimate.N);
    }
}
