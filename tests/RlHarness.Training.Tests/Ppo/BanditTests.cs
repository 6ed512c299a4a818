using RlHarness.Core.Randomness;
using RlHarness.Models.Decoders;
using RlHarness.Models.Generation;
using RlHarness.Training.Algorithms;
using RlHarness.Training.Optimization;
using RlHarness.Training.Ppo;
using TorchSharp;
using static TorchSharp.torch;

namespace RlHarness.Training.Tests.Ppo;

/// <summary>One prompt, one token, reward 1 for one of the tokens: problems whose answer is known.</summary>
[Trait("kind", "arithmetic")]
public sealed class BanditTests(ITestOutputHelper output)
{
    private const int Paying = 5;
    private static readonly int[] Prompt = [1, 2];

    [Fact]
    public void The_token_that_pays_is_learnt()
    {
        var (_, probabilities) = Play(klCoefficient: 0, iterations: 25, shared: false);
        Assert.True(probabilities[^1] > 0.9, $"P = {probabilities[^1]:f3}");
    }

    [Fact]
    public void The_token_that_pays_is_learnt_with_the_critic_on_the_policy_s_body()
    {
        var (_, probabilities) = Play(klCoefficient: 0, iterations: 25, shared: true);
        Assert.True(probabilities[^1] > 0.9, $"P = {probabilities[^1]:f3}");
    }

    [Fact]
    public void A_large_KL_coefficient_keeps_the_policy_at_the_reference()
    {
        var (start, probabilities) = Play(klCoefficient: 20, iterations: 25, shared: false);
        // β = 20: the best policy has P = p₀ e^(1/20) / (p₀ e^(1/20) + 1 − p₀), within 0.003 of p₀
        Assert.Equal(start, probabilities.Skip(15).Average(), 0.02);
    }

    [Fact]
    public void Reward_and_KL_balance_where_theory_says()
    {
        var (start, probabilities) = Play(klCoefficient: 0.4, iterations: 60, shared: false);
        // argmax of E[r] − β KL(π | π₀) is π ∝ π₀ exp(r/β)
        var best = start * Math.Exp(1 / 0.4) / (start * Math.Exp(1 / 0.4) + 1 - start);
        var reached = probabilities.Skip(40).Average();
        output.WriteLine($"P from {start:f3} to {reached:f3}, theory {best:f3}");
        Assert.InRange(best, start + 0.15, 0.7);
        Assert.Equal(best, reached, 0.05);
    }

    /// <summary>
    /// Where an algorithm without a critic comes to rest, p being the probability of the paying token and p₀ the reference's. KL in the score:
    /// p ∝ p₀ e^(1/β), as for PPO. k3 in the loss has the gradient of KL(reference ‖ policy), (p − p₀) / (p (1 − p)) by p; the score alone has 1 by p,
    /// divided by its standard deviation 1 / √(p (1 − p)).
    /// </summary>
    [Theory]
    [InlineData(AlgorithmKind.Rloo, true, 0.4)]
    [InlineData(AlgorithmKind.ReinforcePlusPlus, true, 0.4)]
    [InlineData(AlgorithmKind.Grpo, false, 0.7)]
    [InlineData(AlgorithmKind.Grpo, true, 2.0)]
    public void Without_a_critic_reward_and_KL_balance_where_theory_says(AlgorithmKind algorithm, bool scale, double beta)
    {
        var (start, probabilities) = Play(
            beta,
            iterations: 60,
            shared: false,
            new PpoSettings
            {
                Algorithm = algorithm,
                ScaleRewards = scale,
                Epochs = 2,
            }
        );
        double Pull(double p) =>
            algorithm != AlgorithmKind.Grpo
                ? 1 - (beta * (Math.Log(p / start) - Math.Log((1 - p) / (1 - start))))
                : (scale ? 1 / Math.Sqrt(p * (1 - p)) : 1) - (beta * (p - start) / (p * (1 - p)));
        var (low, high) = (start, 1 - 1e-9);
        for (var i = 0; i < 60; i++)
            (low, high) = Pull((low + high) / 2) > 0 ? ((low + high) / 2, high) : (low, (low + high) / 2);
        var reached = probabilities.Skip(40).Average();
        output.WriteLine($"P from {start:f3} to {reached:f3}, theory {low:f3}");
        Assert.InRange(low, start + 0.1, 0.8);
        Assert.Equal(low, reached, 0.05);
    }

    private static (double Start, List<double> Probabilities) Play(double klCoefficient, int iterations, bool shared, PpoSettings? settings = null)
    {
        using var policy = Tiny.Decoder(requiresGrad: true, deviation: 0.1);
        using var reference = Tiny.Decoder(deviation: 0.1);
        settings ??= new PpoSettings { Epochs = 4 };
        using var critic =
            !settings.UsesCritic ? null
            : shared ? new Critic(Tiny.Head())
            : Tiny.BodyCritic();
        using var trainer = new PpoTrainer(
            policy,
            reference,
            critic,
            settings with
            {
                KlCoefficient = klCoefficient,
                ClipRangeValue = null,
                Minibatches = 1,
                Optimizer = new OptimizerSettings { LearningRate = 3e-3, Epsilon = 1e-5 },
            }
        );
        var seeds = new Seeds(6);
        var generator = new BatchGenerator(policy);
        var start = Probability(policy);
        var after = new List<double>();
        for (var step = 0; step < iterations; step++)
        {
            var drawn = generator.Generate(
                [.. Enumerable.Range(0, 128).Select(s => new GenerationRequest(Prompt, 0, s))],
                new SamplingSettings { MaxNewTokens = 1, BatchSize = 128 },
                seeds,
                step
            );
            var episodes = drawn.Select(d => new Episode(Prompt, d.Tokens, d.Tokens[0] == Paying ? 1 : 0)).ToArray();
            using var iteration = trainer.Iterate(episodes, epoch => seeds.For("order", step, epoch).Permutation(episodes.Length), learningRateFactor: 1);
            after.Add(Probability(policy));
        }

        return (start, after);
    }

    private static double Probability(Decoder decoder)
    {
        using var guard = no_grad();
        using var scope = NewDisposeScope();
        using var batch = TokenBatch.Pack([Prompt], CPU);
        return nn.functional.softmax(decoder.Logits(decoder.Forward(batch))[1], -1)[Paying].item<float>();
    }
}
