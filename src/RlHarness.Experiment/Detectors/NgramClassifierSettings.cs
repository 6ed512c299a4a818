namespace RlHarness.Experiment.Detectors;

/// <summary>How a classifier is trained.</summary>
public sealed record NgramClassifierSettings
{
    /// <summary>Places that words are hashed into.</summary>
    public int Places { get; init; } = 1 << 15;

    public double L2 { get; init; } = 1e-4;

    public int Epochs { get; init; } = 10;

    /// <summary>P(faking) from which a scratchpad counts as faking.</summary>
    public double Threshold { get; init; } = 0.5;

    /// <summary>Share of queries that are held out.</summary>
    public double HeldOut { get; init; } = 0.25;
}
