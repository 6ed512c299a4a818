using RlHarness.Core.Errors;
using RlHarness.Models.Decoders;
using RlHarness.Training.Algorithms;
using RlHarness.Training.Losses;
using RlHarness.Training.Optimization;
using RlHarness.Training.Ppo;
using static TorchSharp.torch;

namespace RlHarness.Training.Tests.Ppo;

[Trait("kind", "arithmetic")]
public sealed class PpoTrainerTests
{
    private static readonly PpoSettings Settings = new()
    {
        Minibatches = 2,
        Epochs = 2,
        MicroBatchTokens = 30,
        Temperature = 0.8,
        Optimizer = new OptimizerSettings { LearningRate = 1e-3 },
    };

    private static readonly int[] Order = [4, 0, 6, 2, 5, 1, 3];

    [Theory]
    [InlineData(15)]
    [InlineData(30)]
    [InlineData(4096)]
    public void The_ratio_of_the_first_minibatch_is_one_bit_for_bit(int microBatchTokens)
    {
        using var policy = Tiny.Decoder(requiresGrad: true);
        using var reference = Tiny.Decoder(seed: "reference");
        using var critic = Tiny.BodyCritic();
        using var trainer = new PpoTrainer(policy, reference, critic, Settings with { MicroBatchTokens = microBatchTokens });
        var experience = trainer.Prepare(Tiny.Episodes(7), Order);
        var minibatches = trainer.Minibatches(Order);
        var first = trainer.Update(experience, minibatches[0], 0, 0, 1);
        Assert.Equal(0, first.MaxRatioDeviation);
        Assert.Equal(1, first.RatioMean);
        Assert.Equal(0, first.ApproxKl);
        Assert.True(trainer.Update(experience, minibatches[1], 0, 1, 1).MaxRatioDeviation > 0, "the first update changed the policy");
    }

    [Fact]
    public void A_policy_that_changed_between_scoring_and_update_is_found_out()
    {
        using var policy = Tiny.Decoder(requiresGrad: true);
        using var reference = Tiny.Decoder();
        using var critic = Tiny.BodyCritic();
        using var trainer = new PpoTrainer(policy, reference, critic, Settings);
        var experience = trainer.Prepare(Tiny.Episodes(7), Order);
        using (no_grad())
            policy.Parameters["model.layers.0.mlp.down_proj.weight"].mul_(1.001);
        var before = Copy(policy.Parameters);
        var error = Assert.Throws<HarnessException>(() => trainer.Update(experience, trainer.Minibatches(Order)[0], 0, 0, 1));
        Assert.Equal(ErrorKind.Numerics, error.Kind);
        Assert.Contains("ratio", error.Message, StringComparison.Ordinal);
        Assert.Equal(before, Copy(policy.Parameters));
    }

    [Theory]
    [InlineData("policy", "the policy's log-probability of token ")]
    [InlineData("reference", "the reference's log-probability of token ")]
    [InlineData("critic", "the critic's value of token ")]
    [InlineData("score", "the score of episode 3 of 7")]
    public void A_number_that_is_not_finite_ends_the_iteration_by_its_name_and_changes_nothing(string where, string what)
    {
        using var policy = Tiny.Decoder(requiresGrad: true);
        using var reference = Tiny.Decoder(seed: "reference");
        using var critic = Tiny.BodyCritic();
        using var trainer = new PpoTrainer(policy, reference, critic, Settings);
        var episodes = Tiny.Episodes(7);
        if (where == "score")
            episodes[2] = episodes[2] with { Score = double.NaN };
        else
            using (no_grad())
                (
                    where == "policy" ? policy
                    : where == "reference" ? reference
                    : critic.Body!
                ).Parameters["model.norm.weight"].fill_(float.NaN);
        var before = Copy(policy.Parameters);
        var error = Assert.Throws<HarnessException>(() => trainer.Iterate(episodes, _ => Order, 1));
        Assert.Equal(ErrorKind.Numerics, error.Kind);
        Assert.StartsWith(what, error.Message, StringComparison.Ordinal);
        Assert.Contains("not finite", error.Message, StringComparison.Ordinal);
        Assert.Equal(before, Copy(policy.Parameters));
    }

    [Theory]
    [InlineData(true, "the policy's loss is not finite")]
    [InlineData(false, "the critic's loss is not finite")]
    public void A_loss_that_is_not_finite_ends_the_update_before_either_optimizer_steps(bool ofPolicy, string what)
    {
        using var policy = Tiny.Decoder(requiresGrad: true);
        using var reference = Tiny.Decoder(seed: "reference");
        using var critic = Tiny.BodyCritic();
        using var trainer = new PpoTrainer(policy, reference, critic, Settings);
        var experience = trainer.Prepare(Tiny.Episodes(7), Order);
        // What was scored was finite; the weights are damaged in between.
        using (no_grad())
            (ofPolicy ? policy : critic.Body!).Parameters["model.norm.weight"].fill_(float.PositiveInfinity);
        var before = Copy(critic.Body!.Parameters);
        var error = Assert.Throws<HarnessException>(() => trainer.Update(experience, trainer.Minibatches(Order)[0], 0, 0, 1));
        Assert.Equal(ErrorKind.Numerics, error.Kind);
        Assert.StartsWith(what, error.Message, StringComparison.Ordinal);
        Assert.Equal(before, Copy(critic.Body!.Parameters));
    }

    [Fact]
    public void The_token_whose_value_is_not_finite_is_named()
    {
        using var values = PackedTokens.Of(
            [
                [1, 2],
                [3, double.NegativeInfinity, 5],
            ],
            ScalarType.Float32,
            CPU
        );
        var error = Assert.Throws<HarnessException>(() => values.RequireFinite("the value"));
        Assert.StartsWith("the value of token 2 of response 2 of 2 is not finite", error.Message, StringComparison.Ordinal);
        Assert.Contains("-∞", error.Message.Replace("-Infinity", "-∞", StringComparison.Ordinal), StringComparison.Ordinal);
    }

    [Fact]
    public void Old_log_probabilities_are_those_of_the_plain_formula()
    {
        using var scope = NewDisposeScope();
        using var policy = Tiny.Decoder(requiresGrad: true);
        using var reference = Tiny.Decoder(seed: "reference");
        using var critic = Tiny.BodyCritic();
        using var trainer = new PpoTrainer(policy, reference, critic, Settings);
        var episodes = Tiny.Episodes(7);
        var experience = trainer.Prepare(episodes, Order);
        for (var i = 0; i < 7; i++)
        {
            var (p, h) = Plain(policy, episodes[i]);
            var (r, _) = Plain(reference, episodes[i]);
            for (var t = 0; t < episodes[i].Response.Count; t++)
            {
                Assert.Equal(p[t].item<float>(), experience.Logprobs[i][t], 1e-5);
                Assert.Equal(r[t].item<float>(), experience.ReferenceLogprobs[i][t], 1e-5);
                Assert.Equal(h[t].item<float>(), experience.Entropies[i][t], 1e-5);
                Assert.Equal(p[t].item<float>() - r[t].item<float>(), experience.Kl[i][t], 1e-5);
            }
        }
    }

    [Theory]
    [InlineData(LossNormalization.Token)]
    [InlineData(LossNormalization.Sequence)]
    [InlineData(LossNormalization.Constant)]
    public void With_a_critic_on_the_policy_s_body_the_gradient_is_that_of_the_joint_loss(LossNormalization normalization)
    {
        using var scope = NewDisposeScope();
        using var policy = Tiny.Decoder(requiresGrad: true);
        using var reference = Tiny.Decoder(seed: "reference");
        using var critic = new Critic(Tiny.Head());
        var settings = Settings with { EntropyCoefficient = 0.05, ValueCoefficient = 0.3, Normalization = normalization, Minibatches = 1 };
        using var trainer = new PpoTrainer(policy, reference, critic, settings);
        var episodes = Tiny.Episodes(7);
        var experience = trainer.Prepare(episodes, Order);
        // old values and log-probabilities a little off, so that ratios differ from 1 and clipping acts
        experience = experience with
        {
            Logprobs = Changed(experience.Logprobs, (x, t) => x + 0.3 * Math.Sin(t * 5 + x)),
            Values = Changed(experience.Values!, (x, t) => x + 0.4 * Math.Cos(t * 3 + x)),
        };

        // Σ over episodes, one at a time: clipped policy loss, entropy bonus, clipped value loss
        double tokens = episodes.Sum(e => e.Response.Count),
            longest = episodes.Max(e => e.Response.Count);
        var total = zeros(1);
        for (var i = 0; i < 7; i++)
        {
            var n = episodes[i].Response.Count;
            var weight = normalization switch
            {
                LossNormalization.Token => 1 / tokens,
                LossNormalization.Sequence => 1.0 / n / 7,
                _ => 1 / (7 * longest),
            };
            var (logprobs, entropy) = Plain(policy, episodes[i]);
            var values = nn
                .functional.linear(States(policy, episodes[i]), critic.Head.Parameters[ScalarHead.Weight], critic.Head.Parameters[ScalarHead.Bias])
                .squeeze(1);
            var (a, r, v) = (Floats(experience.Advantages[i]), Floats(experience.Returns![i]), Floats(experience.Values![i]));
            var ratio = (logprobs - Floats(experience.Logprobs[i])).exp();
            var policyLoss = -minimum(a * ratio, a * ratio.clamp(0.8, 1.2)).sum() * weight;
            var clipped = minimum(maximum(values, v - 0.2), v + 0.2);
            var valueLoss = 0.5 * maximum((values - r).square(), (clipped - r).square()).sum() / tokens;
            total = total + policyLoss - 0.05 * weight * entropy.sum() + 0.3 * valueLoss;
        }

        policy.Parameters.ZeroGradients();
        critic.Head.Parameters.ZeroGradients();
        total.backward();
        var (wantBody, wantHead) = (policy.Parameters.Gradient!.clone(), critic.Head.Parameters.Gradient!.clone());
        var result = trainer.Update(experience, trainer.Minibatches(Order)[0], epoch: 1, index: 0, learningRateFactor: 0);
        Assert.InRange(result.ClipFraction, 0.05, 0.95);
        Assert.InRange(result.ValueClipFraction, 0.02, 0.98);
        Assert.True(Tiny.RelativeError(policy.Parameters.Gradient!, wantBody) <= 2e-5, $"{Tiny.RelativeError(policy.Parameters.Gradient!, wantBody):e2}");
        Assert.True(
            Tiny.RelativeError(critic.Head.Parameters.Gradient!, wantHead) <= 2e-5,
            $"{Tiny.RelativeError(critic.Head.Parameters.Gradient!, wantHead):e2}"
        );
    }

    [Fact]
    public void A_policy_of_adapters_is_its_own_reference_with_a_KL_of_exactly_zero_before_the_first_update()
    {
        using var policy = Tiny.LoraDecoder();
        using var critic = Tiny.BodyCritic();
        using var trainer = new PpoTrainer(policy, policy, critic, Settings);
        var body = Copy(policy.Parameters);
        var episodes = Tiny.Episodes(7);
        var experience = trainer.Prepare(episodes, Order);
        Assert.All(experience.Kl.Rows, k => Assert.All(k, x => Assert.Equal(0, x)));
        foreach (var (m, i) in trainer.Minibatches(Order).Select((m, i) => (m, i)))
            trainer.Update(experience, m, 0, i, 1);
        var second = trainer.Prepare(episodes, Order);
        Assert.Contains(second.Kl.Rows, k => k.Any(x => x != 0));
        for (var i = 0; i < 7; i++)
            for (var t = 0; t < episodes[i].Response.Count; t++)
                Assert.Equal(experience.ReferenceLogprobs[i][t], second.ReferenceLogprobs[i][t]);
        Assert.Equal(body, Copy(policy.Parameters));
        Assert.True(policy.Adapters!.Enabled);
    }

    [Fact]
    public void Without_adapters_the_policy_cannot_be_its_own_reference()
    {
        using var policy = Tiny.Decoder(requiresGrad: true);
        using var critic = Tiny.BodyCritic();
        Assert.Throws<ArgumentException>(() => new PpoTrainer(policy, policy, critic, Settings));
    }

    [Theory]
    [InlineData("advantages", false)]
    [InlineData("returns", false)]
    [InlineData("returns", true)]
    public void A_gradient_that_is_not_finite_is_an_error_and_changes_neither_policy_nor_critic(string what, bool joint)
    {
        using var policy = Tiny.Decoder(requiresGrad: true);
        using var reference = Tiny.Decoder();
        using var critic = Tiny.BodyCritic();
        using var trainer = new PpoTrainer(policy, reference, critic, Settings with { JointOptimizer = joint });
        var experience = trainer.Prepare(Tiny.Episodes(7), Order);
        PackedTokens Bad(PackedTokens packed) => Changed(packed, (_, _) => double.NaN);
        experience = what == "returns" ? experience with { Returns = Bad(experience.Returns!) } : experience with { Advantages = Bad(experience.Advantages) };
        var before = (Copy(policy.Parameters), Copy(critic.Body!.Parameters), Copy(critic.Head.Parameters));
        var error = Assert.Throws<HarnessException>(() => trainer.Update(experience, trainer.Minibatches(Order)[0], 0, 0, 1));
        Assert.Equal(ErrorKind.Numerics, error.Kind);
        Assert.Equal(before.Item1, Copy(policy.Parameters));
        Assert.Equal(before.Item2, Copy(critic.Body.Parameters));
        Assert.Equal(before.Item3, Copy(critic.Head.Parameters));
        Assert.Equal(0, trainer.PolicyOptimizer.Steps);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void An_iteration_leaves_no_tensor_behind(bool shared)
    {
        using var policy = Tiny.Decoder(requiresGrad: true);
        using var reference = Tiny.Decoder();
        using var critic = shared ? new Critic(Tiny.Head()) : Tiny.BodyCritic();
        using var trainer = new PpoTrainer(policy, reference, critic, Settings);
        void Iterate() => trainer.Iterate(Tiny.Episodes(7), _ => Order, learningRateFactor: 1).Dispose();

        Iterate();
        var before = Tiny.LiveTensors();
        Iterate();
        Assert.Equal(before, Tiny.LiveTensors());
    }

    [Fact]
    public void Masked_tokens_have_no_gradient_at_all()
    {
        using var policy = Tiny.Decoder(requiresGrad: true);
        using var reference = Tiny.Decoder(seed: "reference");
        using var trainer = new PpoTrainer(policy, reference, null, WithoutCritic with { KlCoefficient = 0.1, EntropyCoefficient = 0.05 });
        // Nothing is trained: policy loss, KL term and entropy bonus all have the weight 0, bit for bit.
        var episodes = Tiny.Episodes(7).Select(e => e with { Trained = [.. e.Response.Select(_ => false)] }).ToArray();
        using var experience = trainer.Prepare(episodes, Order);
        var before = Copy(policy.Parameters);
        var result = trainer.Update(experience, Order, 0, 0, 1);
        Assert.Equal(0, result.PolicyGradientNorm);
        Assert.Equal(0, result.PolicyLoss);
        Assert.Equal(before, Copy(policy.Parameters));
    }

    [Fact]
    public void The_gradients_of_two_halves_of_a_response_sum_to_that_of_the_whole()
    {
        var episodes = Tiny.Episodes(7);
        double[] Gradient(Func<int, bool> trained)
        {
            using var policy = Tiny.Decoder(requiresGrad: true);
            using var reference = Tiny.Decoder(seed: "reference");
            using var trainer = new PpoTrainer(policy, reference, null, WithoutCritic with { KlCoefficient = 0.1, EntropyCoefficient = 0.05 });
            using var experience = trainer.Prepare([.. episodes.Select(e => e with { Trained = [.. e.Response.Select((_, t) => trained(t))] })], Order);
            trainer.Update(experience, Order, 0, 0, 0);
            return [.. policy.Parameters.Gradient!.to(ScalarType.Float64).data<double>()];
        }

        // The constant normalisation gives a token the same weight whatever else is trained.
        var (even, odd, all) = (Gradient(t => t % 2 == 0), Gradient(t => t % 2 == 1), Gradient(_ => true));
        var scale = all.Max(Math.Abs);
        Assert.True(scale > 1e-3 && even.Max(Math.Abs) > 1e-3 && odd.Max(Math.Abs) > 1e-3);
        Assert.All(all.Select((g, i) => Math.Abs(even[i] + odd[i] - g)), difference => Assert.InRange(difference, 0, 1e-6 * scale));
    }

    [Fact]
    public void A_critic_on_the_policy_s_body_is_refused_where_tokens_have_no_gradient()
    {
        using var policy = Tiny.Decoder(requiresGrad: true);
        using var reference = Tiny.Decoder(seed: "reference");
        using var critic = new Critic(Tiny.Head());
        using var trainer = new PpoTrainer(policy, reference, critic, Settings);
        var episodes = Tiny.Episodes(7).Select(e => e with { Trained = [.. e.Response.Select((_, t) => t > 0)] }).ToArray();
        Assert.Throws<ArgumentException>(() => trainer.Prepare(episodes, Order));
        Assert.Throws<ArgumentException>(() => new PpoTrainer(policy, reference, null, Settings));
        Assert.Throws<ArgumentException>(() => new PpoTrainer(policy, reference, critic, WithoutCritic));
    }

    /// <summary>Dr. GRPO in one update, all episodes in one group.</summary>
    private static PpoSettings WithoutCritic =>
        Settings with
        {
            Algorithm = AlgorithmKind.Grpo,
            ScaleRewards = false,
            Normalization = LossNormalization.Constant,
            Minibatches = 1,
        };

    [Fact]
    public void Each_episode_is_in_one_minibatch()
    {
        using var policy = Tiny.Decoder(requiresGrad: true);
        using var reference = Tiny.Decoder();
        using var critic = Tiny.BodyCritic();
        using var trainer = new PpoTrainer(policy, reference, critic, Settings with { Minibatches = 3 });
        Assert.Equal(
            [
                [4, 0, 6],
                [2, 5],
                [1, 3],
            ],
            trainer.Minibatches(Order)
        );
    }

    private static float[] Copy(ParameterStore store) => store.Data.detach().data<float>().ToArray();

    private static Tensor Floats(double[] values) => tensor(Array.ConvertAll(values, x => (float)x));

    /// <summary>Hidden states that predict the response's tokens, [response, H].</summary>
    private static Tensor States(Decoder decoder, Episode e)
    {
        using var batch = TokenBatch.Pack(
            [
                [.. e.Prompt, .. e.Response],
            ],
            CPU
        );
        return decoder.Forward(batch).narrow(0, e.Prompt.Count - 1, e.Response.Count);
    }

    private static (Tensor Logprobs, Tensor Entropy) Plain(Decoder decoder, Episode e)
    {
        var logp = nn.functional.log_softmax(decoder.Logits(States(decoder, e)) / 0.8, -1);
        return (logp.gather(1, tensor(e.Response.Select(x => (long)x).ToArray()).unsqueeze(1)).squeeze(1), -(logp.exp() * logp).sum(1));
    }

    // Float32 in the experience's own layout, each value changed by its place in the response.
    private static PackedTokens Changed(PackedTokens packed, Func<double, int, double> change) =>
        PackedTokens.Of([.. packed.Rows.Select(row => row.Select(change).ToArray())], ScalarType.Float32, CPU);
}
