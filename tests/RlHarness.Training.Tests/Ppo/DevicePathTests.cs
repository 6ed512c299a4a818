using RlHarness.Core.Randomness;
using RlHarness.Models.Decoders;
using RlHarness.Models.Kernels;
using RlHarness.Models.Native;
using RlHarness.Training.Algorithms;
using RlHarness.Training.Batching;
using RlHarness.Training.Optimization;
using RlHarness.Training.Ppo;
using RlHarness.Training.Rewards;
using RlHarness.Training.Supervised;
using static TorchSharp.torch;

namespace RlHarness.Training.Tests.Ppo;

/// <summary>Training as a device would do it: with the CPU's kernels off.</summary>
[Trait("kind", "contract")]
public sealed class DevicePathTests : IDisposable
{
    private static readonly PpoSettings Settings = new()
    {
        Minibatches = 2,
        Epochs = 2,
        MicroBatchTokens = 30,
        Optimizer = new OptimizerSettings { LearningRate = 1e-3, WeightDecay = 0.1 },
    };

    private static readonly int[] Order = [4, 0, 6, 2, 5, 1, 3];

    public DevicePathTests() => FusedKernels.Enabled = false;

    public void Dispose() => FusedKernels.Enabled = true;

    /// <summary>
    /// Of a step: what was scored, whether there is more than one token to whiten, the explained variance. Of each of the four minibatches: losses, norms of
    /// the policy's and of the critic's gradients. Of a micro-batch: nothing, however many there are.
    /// </summary>
    [Theory]
    [InlineData(15)]
    [InlineData(30)]
    [InlineData(4096)]
    public void A_PPO_step_reads_by_its_minibatches_and_not_by_its_micro_batches(int microBatchTokens)
    {
        using var policy = Tiny.Decoder(requiresGrad: true);
        using var reference = Tiny.Decoder(seed: "reference");
        using var critic = Tiny.BodyCritic();
        using var trainer = new PpoTrainer(policy, reference, critic, Settings with { MicroBatchTokens = microBatchTokens });
        using var reads = new HostReads.Counter();
        using var iteration = trainer.Iterate(Tiny.Episodes(7), _ => Order, 1);
        Assert.Equal(3 + (4 * 3), reads.Reads);
        // What is reported of it was read already.
        _ = iteration.Experience.Entropies.Rows.ToArray();
        Assert.Equal(3 + (4 * 3), reads.Reads);
    }

    [Theory]
    [InlineData(AlgorithmKind.Grpo, 1)]
    [InlineData(AlgorithmKind.Rloo, 2)]
    [InlineData(AlgorithmKind.ReinforcePlusPlus, 2)]
    public void A_step_without_a_critic_reads_losses_and_one_norm_for_each_minibatch(AlgorithmKind algorithm, int before)
    {
        using var policy = Tiny.Decoder(requiresGrad: true);
        using var reference = Tiny.Decoder(seed: "reference");
        using var trainer = new PpoTrainer(policy, reference, null, Settings with { Algorithm = algorithm });
        using var reads = new HostReads.Counter();
        using var iteration = trainer.Iterate(Tiny.Episodes(7), _ => Order, 1);
        Assert.Equal(before + (4 * 2), reads.Reads);
    }

    [Fact]
    public void Tuning_and_the_reward_model_read_losses_and_norm_once_a_step()
    {
        using var decoder = Tiny.Decoder(requiresGrad: true);
        using var tuning = new SupervisedTrainer(decoder, new OptimizerSettings { LearningRate = 1e-3 }, microBatchTokens: 20);
        using var body = Tiny.Decoder(requiresGrad: true, withHead: false);
        using var reward = new RewardModel(body, Tiny.Head(), microBatchTokens: 40);
        using var training = new RewardModelTrainer(reward, new OptimizerSettings { LearningRate = 1e-3 }, 0.01, microBatchTokens: 40);
        var random = new Seeds(6).For("pairs");
        var pairs = Enumerable.Range(0, 8).Select(_ => new RewardModelTrainer.Pair(Tiny.Ids(random, 9), Tiny.Ids(random, 7))).ToArray();
        Assert.Equal(2, Reads(() => tuning.Step(Tiny.Sequences(9), 1e-3)));
        Assert.Equal(1, Reads(() => tuning.Evaluate(Tiny.Sequences(9))));
        Assert.Equal(2, Reads(() => training.Step(pairs, 1e-3)));
        Assert.Equal(2, Reads(() => training.Evaluate(pairs)));
    }

    /// <summary>The bound is that of fp32 sums in another order: 2^-24 over some hundred terms.</summary>
    [Fact]
    public void A_PPO_step_gives_the_figures_that_the_kernels_give()
    {
        (IReadOnlyList<MinibatchResult> Updates, float[] Policy, float[] Critic) Run(bool kernels)
        {
            FusedKernels.Enabled = kernels;
            using var policy = Tiny.Decoder(requiresGrad: true);
            using var reference = Tiny.Decoder(seed: "reference");
            using var critic = Tiny.BodyCritic();
            using var trainer = new PpoTrainer(policy, reference, critic, Settings);
            using var iteration = trainer.Iterate(Tiny.Episodes(7), _ => Order, 1);
            return (iteration.Updates, HostReads.Array<float>(policy.Parameters.Data), HostReads.Array<float>(critic.Body!.Parameters.Data));
        }

        var (plain, fused) = (Run(kernels: false), Run(kernels: true));
        foreach (var (a, b) in plain.Updates.Zip(fused.Updates))
        {
            Assert.Equal(b.PolicyLoss, a.PolicyLoss, 1e-5);
            Assert.Equal(b.ValueLoss, a.ValueLoss, 1e-5 * b.ValueLoss);
            Assert.Equal(b.Entropy, a.Entropy, 1e-5);
            Assert.Equal(b.ApproxKl, a.ApproxKl, 1e-5);
            Assert.Equal(b.RatioMean, a.RatioMean, 1e-5);
            Assert.Equal(b.PolicyGradientNorm, a.PolicyGradientNorm, 1e-4 * b.PolicyGradientNorm);
            Assert.Equal(b.CriticGradientNorm, a.CriticGradientNorm, 1e-4 * b.CriticGradientNorm);
        }

        // AdamW divides by the gradient's size, so that a weight whose gradient is near 0 may go another way: by a step at most, each of the four.
        Assert.True(Share(plain.Policy, fused.Policy, 1e-5) > 0.99);
        Assert.True(Share(plain.Critic, fused.Critic, 1e-5) > 0.99);
        Assert.Equal(1, Share(plain.Policy, fused.Policy, 8e-3));
    }

    [Fact]
    public void An_optimizer_step_by_libtorchs_operations_is_the_kernels_step()
    {
        float[] Step(bool kernels)
        {
            FusedKernels.Enabled = kernels;
            using var scope = NewDisposeScope();
            using var store = new ParameterStore([new("matrix", [7, 30], Decays: true), new("vector", [11], Decays: false)], CPU, requiresGrad: true);
            using var optimizer = new AdamW(Settings.Optimizer, store);
            using var guard = no_grad();
            store.Data.copy_(Tiny.Gaussian("weights", 221));
            for (var i = 0; i < 3; i++)
            {
                store.Gradient!.copy_(Tiny.Gaussian($"gradient {i}", 221));
                optimizer.Step(1e-2);
            }

            return HostReads.Array<float>(store.Data);
        }

        foreach (var (a, b) in Step(kernels: false).Zip(Step(kernels: true)))
            Assert.Equal(b, a, 1e-6f);
    }

    private static double Share(float[] a, float[] b, double within) => a.Zip(b).Count(p => Math.Abs(p.First - p.Second) <= within) / (double)a.Length;

    private static int Reads(Action work)
    {
        using var reads = new HostReads.Counter();
        work();
        return reads.Reads;
    }
}
