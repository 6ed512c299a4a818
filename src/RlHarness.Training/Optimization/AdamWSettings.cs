namespace RlHarness.Training.Optimization;

/// <summary>Settings of AdamW (Loshchilov and Hutter 2019); all named, none left to a library's default.</summary>
public sealed record AdamWSettings
{
    public required double LearningRate { get; init; }
    public double Beta1 { get; init; } = 0.9;
    public double Beta2 { get; init; } = 0.999;
    public double Epsilon { get; init; } = 1e-8;

    /// <summary>Applies to matrices, not to norms and biases.</summary>
    public double WeightDecay { get; init; }

    /// <summary>Largest norm of the gradient over all parameters; null: not clipped.</summary>
    public double? MaxGradNorm { get; init; } = 1;
}
