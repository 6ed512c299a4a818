using RlHarness.Core.Settings;
using RlHarness.Training.Losses;
using RlHarness.Training.Ppo;

namespace RlHarness.Recipes.Settings;

/// <summary>Where values come from.</summary>
public enum CriticKind
{
    /// <summary>A body of its own, started from the imitating model.</summary>
    Body,

    /// <summary>A head on the policy's body.</summary>
    Head,
}

/// <summary>PPO.</summary>
public sealed record RlSettings
{
    [Allowed(1, 1000000)]
    public int Steps { get; init; } = 50;

    [Allowed(1, 100000)]
    public int PromptsPerStep { get; init; } = 32;

    [Allowed(1, 10000)]
    public int SamplesPerPrompt { get; init; } = 1;

    [Allowed(0, 1)]
    [Meaning("Share of training prompts of the training tier (paper: 1).")]
    public double TrainingTierFraction { get; init; } = 1;

    [Allowed(1, 100000)]
    public int MaxNewTokens { get; init; } = 128;

    [Allowed(0, 10, MinExclusive = true)]
    public double Temperature { get; init; } = 1;

    [Allowed(1, 100000)]
    [Meaning("Sequences that decode together.")]
    public int RolloutBatchSize { get; init; } = 128;

    [Allowed(1, 100)]
    public int Epochs { get; init; } = 2;

    [Allowed(1, 10000)]
    public int Minibatches { get; init; } = 2;

    [Allowed(16, 10000000)]
    public int MicroBatchTokens { get; init; } = 4096;

    public OptimizerSettings Optimizer { get; init; } =
        new()
        {
            LearningRate = 1e-5,
            Schedule = Training.Optimization.ScheduleKind.Linear,
            Warmup = 0,
            Epsilon = 1e-5,
        };

    [Allowed(0, 1)]
    [Meaning("Null: as the policy's.")]
    public double? CriticLearningRate { get; init; }

    public CriticKind Critic { get; init; } = CriticKind.Body;

    [Allowed(0, 100)]
    public double KlCoefficient { get; init; } = 0.05;

    public KlEstimator KlEstimator { get; init; } = KlEstimator.K1;

    [Allowed(0, 10000)]
    [Meaning("Null keeps the coefficient; else it is adapted towards this KL a sequence, in nats.")]
    public double? KlTarget { get; init; }

    [Allowed(0, 1)]
    public double Gamma { get; init; } = 1;

    [Allowed(0, 1)]
    public double Lambda { get; init; } = 0.95;

    [Allowed(0, 10, MinExclusive = true)]
    public double ClipRange { get; init; } = 0.2;

    [Allowed(0, 10)]
    public double? ClipRangeHigh { get; init; }

    [Allowed(0, 1000)]
    [Meaning("Null: values are not clipped.")]
    public double? ClipRangeValue { get; init; } = 0.2;

    [Allowed(0, 100)]
    public double ValueCoefficient { get; init; } = 0.1;

    [Allowed(0, 10)]
    public double EntropyCoefficient { get; init; }

    public LossNormalization Normalization { get; init; } = LossNormalization.Token;

    [Allowed(0, 1000)]
    [Meaning("Taken from the score of a response that was cut by the token limit.")]
    public double MissingEosPenalty { get; init; } = 1;

    [Meaning("Null trains all weights; else adapters, and the reference is the model without them.")]
    public AdapterSettings? Adapter { get; init; }

    [Allowed(0, 1000, MinExclusive = true)]
    [Meaning(
        "A warning is given when log-probabilities of a rollout and of the update differ by more, in nats, at any token. Null: 0.001 in float32, 0.5 in bfloat16."
    )]
    public double? MaxRolloutLogprobDeviation { get; init; }

    [Allowed(1, 1000000)]
    public int CheckpointEvery { get; init; } = 10;

    [Allowed(1, 1000)]
    public int KeepCheckpoints { get; init; } = 2;

    /// <summary>
    /// The largest difference, in nats, that generation with a cache and the packed pass may have over a whole step. Measured: 2e-5 in float32 (models of
    /// 1 M), 0.25 in bfloat16 (SmolLM2-135M), at tokens of low probability.
    /// </summary>
    public double RolloutLogprobBound(bool bfloat16) => MaxRolloutLogprobDeviation ?? (bfloat16 ? 0.5 : 1e-3);

    public PpoSettings ToPpo(bool exact) =>
        new()
        {
            KlCoefficient = KlCoefficient,
            KlEstimator = KlEstimator,
            KlTarget = KlTarget,
            Gamma = Gamma,
            Lambda = Lambda,
            ClipRange = ClipRange,
            ClipRangeHigh = ClipRangeHigh,
            ClipRangeValue = ClipRangeValue,
            ValueCoefficient = ValueCoefficient,
            EntropyCoefficient = EntropyCoefficient,
            Epochs = Epochs,
            Minibatches = Minibatches,
            MicroBatchTokens = MicroBatchTokens,
            Temperature = Temperature,
            Normalization = Normalization,
            Policy = Optimizer.ToAdamW(),
            Critic = Optimizer.ToAdamW() with { LearningRate = CriticLearningRate ?? Optimizer.LearningRate },
            FirstRatioTolerance = exact ? 0 : 1e-2,
        };
}
