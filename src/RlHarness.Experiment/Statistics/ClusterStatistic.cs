namespace RlHarness.Experiment.Statistics;

/// <summary>What the cluster bootstrap resamples.</summary>
public enum ClusterStatistic
{
    /// <summary>Mean of all values.</summary>
    Mean,

    /// <summary>Mean of the clusters' means: each query counts once.</summary>
    MeanOfClusterMeans,

    /// <summary>Mean of tier 1 minus mean of tier 0.</summary>
    Difference,

    /// <summary>Mean of tier 1 over mean of tier 0.</summary>
    Ratio,
}
