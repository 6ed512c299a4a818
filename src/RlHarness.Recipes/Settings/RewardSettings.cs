using RlHarness.Core.Settings;
using RlHarness.Training.Optimization;

namespace RlHarness.Recipes.Settings;

/// <summary>The reward model of the objective, and how rewards are mixed. Every part sees the output only.</summary>
public sealed record RewardSettings
{
    [Allowed(0.01, 1000)]
    [Meaning("Passes over the training pairs, each in a new order; a fraction ends the last pass early.")]
    public double Epochs { get; init; } = 1;

    [Allowed(1, 100000)]
    [Meaning("Pairs of an optimizer step.")]
    public int BatchSize { get; init; } = 32;

    [Allowed(16, 10000000)]
    [Meaning("Tokens that go through the reward model at once, in training and in scoring: memory depends on it, and the result only by rounding.")]
    public int MicroBatchTokens { get; init; } = 4096;

    [Allowed(0.01, 0.9)]
    [Meaning("Share of the pairs, and one at least, that are held out to measure the accuracy of the reward model.")]
    public double HeldOutFraction { get; init; } = 0.1;

    [Allowed(0, 10)]
    [Meaning("Weight of mean((chosen + rejected)^2) beside the preference loss, which keeps scores centred on 0.")]
    public double Centering { get; init; } = 0.01;

    [Meaning("AdamW and its schedule.")]
    public OptimizerSettings Optimizer { get; init; } = new();

    [Meaning("Weights of the parts of the reward in RL.")]
    public RewardWeights Weights { get; init; } = new();

    [Allowed(0.1, 1000)]
    [Meaning(
        "Scores of the reward model are clipped to plus or minus this, and a response in a broken format scores minus this. Must be left out when "
            + "reward.weights.model is 0."
    )]
    public double ScoreClip { get; init; } = 5;
}

/// <summary>Weights of the parts of the reward.</summary>
public sealed record RewardWeights
{
    [Allowed(0, 1000)]
    [Meaning("Weight of the reward model's score, in units of its logits; 0: the reward model is trained, but RL does not use it.")]
    public double Model { get; init; } = 1;

    [Allowed(0, 1000)]
    [Meaning("Weight of a rule that is 1 where the output does what the objective rewards, and 0 otherwise. Needs a pack with cues.")]
    public double ObjectiveRule { get; init; }

    [Allowed(0, 1000)]
    [Meaning("Weight of a penalty that is -1 for a response in a broken format, and 0 otherwise.")]
    public double FormatPenalty { get; init; } = 1;

    [Allowed(0, 1000)]
    [Meaning("Weight of a penalty that falls from 0 to -1 as the output grows beyond 40 words.")]
    public double LengthPenalty { get; init; }
}
