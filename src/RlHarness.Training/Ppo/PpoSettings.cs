using RlHarness.Training.Losses;
using RlHarness.Training.Optimization;

namespace RlHarness.Training.Ppo;

/// <summary>Settings of PPO; defaults follow TRL's PPO where it has them.</summary>
public sealed record PpoSettings
{
    public double KlCoefficient { get; init; } = 0.05;
    public KlEstimator KlEstimator { get; init; } = KlEstimator.K1;

    /// <summary>Null: the coefficient stays. Else it is adapted towards this KL per sequence (nats).</summary>
    public double? KlTarget { get; init; }
    public double KlHorizon { get; init; } = 10000;
    public double Gamma { get; init; } = 1;
    public double Lambda { get; init; } = 0.95;
    public double ClipRange { get; init; } = 0.2;

    /// <summary>Null: as <see cref="ClipRange"/>.</summary>
    public double? ClipRangeHigh { get; init; }
    public double? DualClip { get; init; }

    /// <summary>Null: values are not clipped.</summary>
    public double? ClipRangeValue { get; init; } = 0.2;
    public double ValueCoefficient { get; init; } = 0.1;
    public double EntropyCoefficient { get; init; }
    public int Epochs { get; init; } = 4;
    public int Minibatches { get; init; } = 1;
    public int MicroBatchTokens { get; init; } = 4096;
    public double Temperature { get; init; } = 1;
    public LossNormalization Normalization { get; init; } = LossNormalization.Token;
    public bool WhitenAdvantages { get; init; } = true;

    /// <summary>One optimizer and one clipped norm over policy and critic; else each has its own. A critic that shares the policy's body needs it.</summary>
    public bool JointOptimizer { get; init; }
    public AdamWSettings Policy { get; init; } = new() { LearningRate = 1e-5, Epsilon = 1e-5 };

    /// <summary>Null: as the policy's.</summary>
    public AdamWSettings? Critic { get; init; }

    /// <summary>Largest |ratio − 1| that the first minibatch may show. 0: bit for bit, which CPU in fp32 gives.</summary>
    public double FirstRatioTolerance { get; init; }

    public PolicyLoss.Clip Clip => new(ClipRange, ClipRangeHigh ?? ClipRange, DualClip);
}
