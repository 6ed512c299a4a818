using RlHarness.Core.Settings;
using RlHarness.Training.Algorithms;
using RlHarness.Training.Losses;
using RlHarness.Training.Optimization;

namespace RlHarness.Training.Ppo;

/// <summary>Settings of the iteration that all algorithms share. Names and most defaults are those of TRL's PPO.</summary>
public record PpoSettings
{
    [Meaning(
        "What a token is worth. ppo: generalized advantage estimation with a critic; grpo: the score relative to the other samples of its prompt, "
            + "with the KL penalty in the loss (Shao et al. 2024); rloo: the score less the KL penalty of the whole response, relative to the mean of "
            + "the other samples (Ahmadian et al. 2024); reinforce_plus_plus: the discounted sum of the token rewards, whitened over the step (Hu "
            + "2025). All but ppo need no critic, and grpo and rloo need rl.samples_per_prompt above 1."
    )]
    public AlgorithmKind Algorithm { get; init; }

    [Meaning(
        "Whether the advantages of grpo are divided by the standard deviation of their group (Shao et al. 2024) or not (Dr. GRPO, Liu et al. "
            + "2025). Only for rl.algorithm: grpo."
    )]
    public bool ScaleRewards { get; init; } = true;

    [Allowed(1, 100)]
    [Meaning("Passes over the episodes of a step, each in a new order.")]
    public int Epochs { get; init; } = 2;

    [Allowed(1, 10000)]
    [Meaning("Parts that the episodes of a step are cut into, with one optimizer step for each; their sizes differ by one episode at most.")]
    public int Minibatches { get; init; } = 2;

    [Allowed(16, 10000000)]
    [Meaning("Tokens, prompts included, that go through the models at once: memory depends on it, and the result only by rounding.")]
    public int MicroBatchTokens { get; init; } = 4096;

    [Meaning("AdamW of the policy, and of the critic with rl.critic_learning_rate in place of its learning rate.")]
    public OptimizerSettings Optimizer { get; init; } =
        new()
        {
            LearningRate = 1e-5,
            Schedule = ScheduleKind.Linear,
            Warmup = 0,
            Epsilon = 1e-5,
        };

    [Allowed(0, 1)]
    [Meaning(
        "Learning rate of a critic with an optimizer of its own, on the policy's schedule; null: the policy's. Must be null with "
            + "rl.joint_optimizer or rl.critic: head."
    )]
    public double? CriticLearningRate { get; init; }

    [Meaning(
        "One optimizer and one clipped gradient norm for policy and critic together, whose loss is policy loss + rl.value_coefficient x value "
            + "loss; false: each has its own. A critic that is a head on the policy (rl.critic: head) always shares the policy's."
    )]
    public bool JointOptimizer { get; init; }

    [Allowed(0, 100)]
    [Meaning(
        "Weight of the KL penalty, in reward per nat: taken from the reward at each token, from the score for rloo, and for grpo a term of the "
            + "loss; where rl.kl_target is set, its value at the first step."
    )]
    public double KlCoefficient { get; init; } = 0.05;

    [Meaning(
        "Estimator of KL(policy || reference) at each token (Schulman 2020), with r = log reference - log policy: k1 is -r, k2 is r^2 / 2, k3 is "
            + "e^r - 1 - r. Must be left out for rl.algorithm: grpo, whose loss takes k3."
    )]
    public KlEstimator KlEstimator { get; init; } = KlEstimator.K1;

    [Allowed(0, 10000, MinExclusive = true)]
    [Meaning(
        "KL of a whole response, in nats, that rl.kl_coefficient is adapted towards after each step (Ziegler et al. 2019); null: the coefficient "
            + "stays as it is. Needs a coefficient above 0."
    )]
    public double? KlTarget { get; init; }

    [Allowed(1, 1000000000)]
    [Meaning(
        "Episodes over which rl.kl_coefficient can change by 20 %: each step multiplies it by 1 + clip(KL / target - 1, -0.2, 0.2) x episodes of "
            + "the step / this. Must be left out when rl.kl_target is null."
    )]
    public double KlHorizon { get; init; } = 500;

    [Allowed(0, 1)]
    [Meaning("Discount for each token between an action and a reward; 1: none. Only for rl.algorithm: ppo and reinforce_plus_plus.")]
    public double Gamma { get; init; } = 1;

    [Allowed(0, 1)]
    [Meaning("Lambda of generalized advantage estimation: 0 trusts the critic one token ahead, 1 waits for the whole return. Only for rl.algorithm: ppo.")]
    public double Lambda { get; init; } = 0.95;

    [Meaning("Advantages are shifted and scaled to mean 0 and variance 1 over all trained tokens of a step. Only for rl.algorithm: ppo.")]
    public bool WhitenAdvantages { get; init; } = true;

    [Allowed(0, 10, MinExclusive = true)]
    [Meaning(
        "The probability ratio of new to old policy is clipped to 1 - this and 1 + this. Ignored when rl.epochs and rl.minibatches are both 1: the "
            + "only update of a step then starts from the policy that sampled, and every ratio is 1."
    )]
    public double ClipRange { get; init; } = 0.2;

    [Allowed(0, 10)]
    [Meaning(
        "Upper bound of the ratio is 1 + this in place of 1 + rl.clip_range (DAPO's clip-higher); null: the same on both sides. Needs several "
            + "updates a step."
    )]
    public double? ClipRangeHigh { get; init; }

    [Allowed(1, 1000, MinExclusive = true)]
    [Meaning(
        "For negative advantages the loss is at most this x -advantage, however far the ratio has risen (dual clip, Ye et al. 2020, who take 3); "
            + "null: not used. Needs several updates a step."
    )]
    public double? DualClip { get; init; }

    [Allowed(0, 1000)]
    [Meaning(
        "Values may move by this much from those before the step's first update where that makes the value loss larger; null: values are not "
            + "clipped. Ignored when rl.epochs and rl.minibatches are both 1."
    )]
    public double? ClipRangeValue { get; init; } = 0.2;

    [Allowed(0, 100)]
    [Meaning(
        "Weight of the value loss beside the policy loss. Must be left out when the critic has an optimizer of its own, as it has by default: it "
            + "would do nothing."
    )]
    public double ValueCoefficient { get; init; } = 0.1;

    [Allowed(0, 10)]
    [Meaning("Weight of the entropy bonus, in loss per nat of the policy's entropy at a token; 0: none.")]
    public double EntropyCoefficient { get; init; }

    [Allowed(0, 10, MinExclusive = true)]
    [Meaning("Temperature at which responses are sampled and at which log-probabilities of policy and reference are computed.")]
    public double Temperature { get; init; } = 1;

    [Meaning(
        "How token losses become the loss of a minibatch. token: mean over all response tokens; sequence: mean over sequences of their token "
            + "means; constant: sum over tokens divided by sequences x longest response. Null: token for ppo and reinforce_plus_plus, sequence for grpo, "
            + "constant for rloo. Tokens without a gradient (rl.trained_tokens) do not count."
    )]
    public LossNormalization? Normalization { get; init; }

    /// <summary>The normalisation that is used: the one that is set, else the algorithm's own.</summary>
    public LossNormalization LossNormalization => Normalization ?? CreateAlgorithm().DefaultNormalization;

    /// <summary>Whether the algorithm needs a critic.</summary>
    public bool UsesCritic => CreateAlgorithm().UsesCritic;

    public PolicyLoss.Clip Clip => new(ClipRange, ClipRangeHigh ?? ClipRange, DualClip);

    internal Algorithm CreateAlgorithm() =>
        Algorithm switch
        {
            AlgorithmKind.Grpo => new Grpo(ScaleRewards),
            AlgorithmKind.Rloo => new Rloo(),
            AlgorithmKind.ReinforcePlusPlus => new ReinforcePlusPlus(Gamma),
            _ => new GeneralizedAdvantage(Gamma, Lambda, WhitenAdvantages),
        };

    /// <summary>Settings of a critic's own optimizer.</summary>
    public AdamWSettings CriticOptimizer => Optimizer with { LearningRate = CriticLearningRate ?? Optimizer.LearningRate };
}
