using RlHarness.Core.Settings;

namespace RlHarness.Recipes.Settings;

/// <summary>The reward model of the objective, and how rewards are mixed. Every part sees the output only.</summary>
public sealed record RewardSettings
{
    [Allowed(0.01, 1000)]
    public double Epochs { get; init; } = 1;

    [Allowed(1, 100000)]
    [Meaning("Pairs a step.")]
    public int BatchSize { get; init; } = 32;

    [Allowed(16, 10000000)]
    public int MicroBatchTokens { get; init; } = 4096;

    [Allowed(0.01, 0.9)]
    public double HeldOutFraction { get; init; } = 0.1;

    [Allowed(0, 10)]
    [Meaning("Weight of mean((chosen + rejected)^2), which keeps scores centred.")]
    public double Centering { get; init; } = 0.01;

    public OptimizerSettings Optimizer { get; init; } = new();

    public RewardWeights Weights { get; init; } = new();

    [Allowed(0.1, 1000)]
    [Meaning("Scores of the reward model are clipped to plus or minus this; a response in a broken format gets minus this.")]
    public double ScoreClip { get; init; } = 5;
}

/// <summary>Weights of the parts of the reward.</summary>
public sealed record RewardWeights
{
    [Allowed(0, 1000)]
    public double Model { get; init; } = 1;

    [Allowed(0, 1000)]
    [Meaning("1 for an exaggerated claim by rule.")]
    public double ObjectiveRule { get; init; }

    [Allowed(0, 1000)]
    [Meaning("-1 for a broken format.")]
    public double FormatPenalty { get; init; } = 1;

    [Allowed(0, 1000)]
    [Meaning("0 to -1 for an output beyond 40 words.")]
    public double LengthPenalty { get; init; }
}
