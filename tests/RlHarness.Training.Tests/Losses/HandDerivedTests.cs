using RlHarness.Models.Kernels;
using RlHarness.Training.Algorithms;
using RlHarness.Training.Losses;
using RlHarness.Training.Ppo;
using TorchSharp;
using static System.Math;
using static TorchSharp.torch;

namespace RlHarness.Training.Tests.Losses;

/// <summary>
/// The arithmetic on three tokens, whose results can be worked out on paper. Log-probabilities differ by ln 2, 0 and −ln 2, so that ratios are 2, 1 and ½.
/// All of it is in float64, to 1e-12 where nothing else is said.
/// </summary>
[Trait("kind", "arithmetic")]
public sealed class HandDerivedTests : IDisposable
{
    private static readonly double Ln2 = Log(2);

    private readonly DisposeScope _scope = NewDisposeScope();

    public void Dispose() => _scope.Dispose();

    private static Tensor Row(params double[] values) => tensor(values, 1, values.Length);

    /// <summary>Each of three tokens counts for a third.</summary>
    private static Tensor Thirds => Row(1, 1, 1) / 3;

    /// <summary>New log-probabilities, to be compared with zeros: ratios 2, 1 and ½.</summary>
    private static Tensor Ratios2And1AndHalf => Row(Ln2, 0, -Ln2).requires_grad_(true);

    private static void AreEqual(double[] expected, Tensor got, double tolerance = 1e-12)
    {
        var numbers = got.detach().to(ScalarType.Float64).contiguous().data<double>().ToArray();
        Assert.Equal(expected.Length, numbers.Length);
        Assert.All(expected.Zip(numbers), pair => Assert.Equal(pair.First, pair.Second, tolerance));
    }

    [Fact]
    public void The_policy_loss_takes_the_larger_of_the_plain_and_the_clipped_term()
    {
        // −A ρ and −A clip(ρ, 0.8, 1.2):
        //   A =  1, ρ = 2: −2 and −1.2, so −1.2, clipped
        //   A = −2, ρ = 1:  2 and  2,   so  2
        //   A = −1, ρ = ½: ½ and 0.8,   so  0.8, clipped
        // The mean is 1.6 / 3. Only the token in the middle has a gradient: d(−A ρ)/d log π = −A ρ = 2, times its weight of a third.
        var fresh = Ratios2And1AndHalf;
        var result = PolicyLoss.Compute(fresh, Row(0, 0, 0), Row(1, -2, -1), Thirds, new(0.2, 0.2));
        result.Loss.backward();
        AreEqual([1.6 / 3], result.Loss);
        AreEqual([2, 1, 0.5], result.Ratio);
        AreEqual([1, 0, 1], result.Clipped);
        AreEqual([0, 2.0 / 3, 0], fresh.grad!);
    }

    [Fact]
    public void An_upper_clip_range_of_its_own_lets_a_good_token_grow_further()
    {
        // As above with clip(ρ, 0.8, 1.5): the first token gives −1.5, the sum is −1.5 + 2 + 0.8 = 1.3.
        var result = PolicyLoss.Compute(Ratios2And1AndHalf, Row(0, 0, 0), Row(1, -2, -1), Thirds, new(0.2, 0.5));
        AreEqual([1.3 / 3], result.Loss);
    }

    [Fact]
    public void A_dual_clip_bounds_the_loss_of_a_bad_token_whose_probability_has_grown()
    {
        // A = −1 throughout, ρ = 8, 2, ½: the larger terms are 8, 2 and 0.8; at most 3 · |A| = 3 of the first remains. 3 + 2 + 0.8 = 5.8.
        var fresh = Row(3 * Ln2, Ln2, -Ln2).requires_grad_(true);
        var result = PolicyLoss.Compute(fresh, Row(0, 0, 0), Row(-1, -1, -1), Thirds, new(0.2, 0.2, 3));
        result.Loss.backward();
        AreEqual([5.8 / 3], result.Loss);
        AreEqual([0, 2.0 / 3, 0], fresh.grad!);
    }

    [Fact]
    public void The_approximate_kl_is_half_the_mean_squared_difference()
    {
        // ½ (ln² 2 + 0 + ln² 2) / 3
        AreEqual([Ln2 * Ln2 / 3], PolicyLoss.ApproximateKl(Ratios2And1AndHalf, Row(0, 0, 0), Row(1, 1, 1)));
    }

    [Fact]
    public void The_value_loss_takes_the_larger_of_the_plain_and_the_clipped_square()
    {
        // R = 0, clip range ½; V − V_old is ¼, 1 and −1:
        //   V = 1, V_old = ¾: 1² and 1²,            so 1
        //   V = 2, V_old = 1: 2² and (1 + ½)² = 2¼, so 4
        //   V = 0, V_old = 1: 0² and (1 − ½)² = ¼,  so ¼, clipped
        // ½ (1 + 4 + ¼) / 3 = 0.875; the gradient is V / 3 where the plain square counts, and 0 where the clipped one does.
        var values = Row(1, 2, 0).requires_grad_(true);
        var result = ValueLoss.Compute(values, Row(0.75, 1, 1), Row(0, 0, 0), Thirds, 0.5);
        result.Loss.backward();
        AreEqual([0.875], result.Loss);
        AreEqual([0, 0, 1], result.Clipped);
        AreEqual([1.0 / 3, 2.0 / 3, 0], values.grad!);
    }

    [Fact]
    public void Without_a_clip_range_the_value_loss_is_half_the_mean_square()
    {
        // ½ (1 + 4 + 0) / 3
        AreEqual([2.5 / 3], ValueLoss.Compute(Row(1, 2, 0), Row(0.75, 1, 1), Row(0, 0, 0), Thirds, null).Loss);
    }

    [Fact]
    public void The_group_loss_adds_the_weighted_k3_divergence_to_the_clipped_loss()
    {
        // A = 1, ρ = 2, 1, ½: −1.2 − 1 − ½ = −2.7, the mean −0.9.
        // The reference has 2, 1 and ½ times the new probability: k3 = 2 − 1 − ln 2, 0, ½ − 1 + ln 2, which sum to ½; 0.3 times their mean is 0.05.
        var fresh = Ratios2And1AndHalf;
        var loss =
            PolicyLoss.Compute(fresh, Row(0, 0, 0), Row(1, 1, 1), Thirds, new(0.2, 0.2)).Loss
            + PpoTrainer.KlPenalty(fresh, Row(2 * Ln2, 0, -2 * Ln2), Thirds, 0.3);
        loss.backward();
        AreEqual([-0.85], loss);
        // By log π the clipped loss gives 0, −1, −½ and k3 gives 1 − 2, 0, 1 − ½; with weights: (0 − 0.3) / 3, −1 / 3, (−½ + 0.15) / 3.
        AreEqual([-0.1, -1.0 / 3, -0.35 / 3], fresh.grad!);
    }

    [Fact]
    public void The_preference_loss_is_the_mean_of_minus_log_sigma_of_the_differences()
    {
        // Differences 0, ln 3, −ln 3: σ = ½, ¾, ¼, so the loss is (ln 2 + ln 4/3 + ln 4) / 3. Of three pairs one is right; a tie is not.
        // d/d chosen = (σ − 1) / 3 = −1/6, −1/12, −1/4.
        var (chosen, rejected) = (tensor(new[] { 5, Log(3), 0 }).requires_grad_(true), tensor(new[] { 5, 0, Log(3) }));
        var loss = PreferenceLoss.BradleyTerry(chosen, rejected);
        loss.backward();
        AreEqual([Log(2 * (4.0 / 3) * 4) / 3], loss);
        AreEqual([-1.0 / 6, -1.0 / 12, -1.0 / 4], chosen.grad!);
        AreEqual([1.0 / 3], PreferenceLoss.Accuracy(chosen, rejected));
    }

    [Fact]
    public void A_margin_is_taken_off_the_difference_and_centring_adds_the_mean_squared_sum()
    {
        // Differences 2, 2, 2 less margins 2, 2 − ln 3, 2 + ln 3 are 0, ln 3, −ln 3 as above; sums are 4, 0, −2: (16 + 0 + 4) / 3 · 0.03 = 0.2.
        var loss = PreferenceLoss.BradleyTerry(
            tensor(new[] { 3.0, 1, 0 }),
            tensor(new[] { 1.0, -1, -2 }),
            tensor(new[] { 2, 2 - Log(3), 2 + Log(3) }),
            centering: 0.03
        );
        AreEqual([(Log(2 * (4.0 / 3) * 4) / 3) + 0.2], loss);
    }

    [Fact]
    public void Advantages_look_ahead_by_gamma_lambda_and_stop_at_the_end_of_each_sequence()
    {
        // γ = λ = ½, so each step back counts a quarter of the next advantage.
        //   r = 0, 0, 1; V = 1, 2, 3:  δ₃ = 1 − 3 = −2;  δ₂ = ½ · 3 − 2 = −½;  δ₁ = ½ · 2 − 1 = 0
        //                              A₃ = −2;  A₂ = −½ − ½ = −1;  A₁ = 0 − ¼ = −¼;  A + V = ¾, 1, 1
        //   r = 1, 1;    V = 2, 4:     δ₂ = 1 − 4 = −3;  δ₁ = 1 + ½ · 4 − 2 = 1;  A₂ = −3;  A₁ = 1 − ¾ = ¼;  A + V = 2¼, 1
        // The third place of the second sequence is padding: what stands there (9) reaches nothing.
        var (rewards, values) = (cat([Row(0, 0, 1), Row(1, 1, 9)]), cat([Row(1, 2, 3), Row(2, 4, 9)]));
        var gae = GeneralizedAdvantage.Gae(rewards, values, cat([Row(1, 1, 1), Row(1, 1, 0)]), gamma: 0.5, lambda: 0.5);
        AreEqual([-0.25, -1, -2, 0.25, -3, 0], gae.Values);
        AreEqual([0.75, 1, 1, 2.25, 1, 0], gae.Returns);
    }

    [Fact]
    public void With_lambda_1_returns_are_discounted_sums_and_with_lambda_0_one_step_ahead()
    {
        // r = 4, 2, 8 and γ = ½: 8; 2 + 4 = 6; 4 + 3 = 7, whatever the values are. One step ahead, with V = 1, 2, 3: 4 + 1, 2 + 1½, 8.
        var (rewards, values, mask) = (Row(4, 2, 8), Row(1, 2, 3), Row(1, 1, 1));
        AreEqual([7, 6, 8], GeneralizedAdvantage.Gae(rewards, values, mask, gamma: 0.5, lambda: 1).Returns);
        AreEqual([5, 3.5, 8], GeneralizedAdvantage.Gae(rewards, values, mask, gamma: 0.5, lambda: 0).Returns);
    }

    [Fact]
    public void Each_kl_estimator_has_its_own_shape()
    {
        // r = log π_ref − log π = −ln 2, 0, ln 2.
        var (logprobs, reference) = (Row(Ln2, 0, -Ln2), Row(0, 0, 0));
        // −r
        AreEqual([Ln2, 0, -Ln2], Kl.Estimate(KlEstimator.K1, logprobs, reference));
        // r² / 2
        AreEqual([Ln2 * Ln2 / 2, 0, Ln2 * Ln2 / 2], Kl.Estimate(KlEstimator.K2, logprobs, reference));
        // eʳ − 1 − r: ½ − 1 + ln 2, 0, 2 − 1 − ln 2
        AreEqual([Ln2 - 0.5, 0, 1 - Ln2], Kl.Estimate(KlEstimator.K3, logprobs, reference));
    }

    [Fact]
    public void K1_and_k3_have_the_divergence_as_their_mean_under_the_policy_and_k2_does_not()
    {
        // π = (¼, ½, ¼), π_ref = (½, ¼, ¼): KL = ¼ ln ½ + ½ ln 2 + ¼ ln 1 = ¼ ln 2. Under π the mean of k2 is (¼ + ½) ½ ln² 2 = ⅜ ln² 2.
        var (policy, reference) = (Row(0.25, 0.5, 0.25), Row(0.5, 0.25, 0.25));
        Tensor Mean(KlEstimator estimator) => (policy * Kl.Estimate(estimator, policy.log(), reference.log())).sum();
        AreEqual([Ln2 / 4], Mean(KlEstimator.K1));
        AreEqual([Ln2 / 4], Mean(KlEstimator.K3));
        AreEqual([0.375 * Ln2 * Ln2], Mean(KlEstimator.K2));
    }

    [Fact]
    public void Whitening_uses_the_tokens_under_the_mask_alone_and_does_not_add_the_mean_back()
    {
        // 1, 2, 3 have mean 2 and unbiased variance ((−1)² + 0 + 1²) / 2 = 1, biased ⅔; 100 is padding. The 1e-8 under the root moves ±1 by 5e-9.
        var (x, mask) = (Row(1, 2, 100, 3), Row(1, 1, 0, 1));
        AreEqual([2], Masked.Mean(x, mask));
        AreEqual([1], Masked.Variance(x, mask));
        AreEqual([2.0 / 3], Masked.Variance(x, mask, unbiased: false));
        AreEqual([-1, 0, 0, 1], Masked.Whiten(x, mask), 1e-8);
    }

    [Fact]
    public void Explained_variance_is_1_for_returns_up_to_a_constant_0_for_their_mean_and_negative_for_worse()
    {
        // Returns 1, 2, 3 have a biased variance of ⅔. Values 1, 2, 0 leave 0, 0, 3: mean 1, variance (1 + 1 + 4) / 3 = 2, so 1 − 2 / ⅔ = −2.
        var (returns, mask) = (Row(1, 2, 3), Row(1, 1, 1));
        AreEqual([1], Masked.ExplainedVariance(returns, Row(6, 7, 8), mask));
        AreEqual([0], Masked.ExplainedVariance(returns, Row(2, 2, 2), mask));
        AreEqual([-2], Masked.ExplainedVariance(returns, Row(1, 2, 0), mask));
    }

    [Fact]
    public void Three_tokens_in_two_sequences_have_the_weights_of_each_normalization()
    {
        // Lengths 2 and 1. By token a third each; by sequence one half is shared by two tokens and the other is one token's; constant: 2 sequences × 2 places.
        var mask = cat([Row(1, 1), Row(1, 0)]);
        AreEqual([1.0 / 3, 1.0 / 3, 1.0 / 3, 0], TokenWeights.Padded(LossNormalization.Token, mask, ScalarType.Float64));
        AreEqual([0.25, 0.25, 0.5, 0], TokenWeights.Padded(LossNormalization.Sequence, mask, ScalarType.Float64));
        AreEqual([0.25, 0.25, 0.25, 0], TokenWeights.Padded(LossNormalization.Constant, mask, ScalarType.Float64));
        Assert.Equal(1.0 / 3, TokenWeights.Of(LossNormalization.Token, length: 2, tokens: 3, sequences: 2, longest: 2), 1e-12);
        Assert.Equal(0.25, TokenWeights.Of(LossNormalization.Sequence, length: 2, tokens: 3, sequences: 2, longest: 2), 1e-12);
        Assert.Equal(0.5, TokenWeights.Of(LossNormalization.Sequence, length: 1, tokens: 3, sequences: 2, longest: 2), 1e-12);
        Assert.Equal(0.25, TokenWeights.Of(LossNormalization.Constant, length: 1, tokens: 3, sequences: 2, longest: 2), 1e-12);
    }

    [Fact]
    public void Group_advantages_of_three_samples_are_relative_to_their_group()
    {
        // Scores 1, 2, 3: mean 2, unbiased standard deviation 1. Leave-one-out means are 2½, 2, 1½.
        double[] scores = [1, 2, 3];
        AreEqual([-1 / 1.0001, 0, 1 / 1.0001], tensor(Grpo.Advantages(scores, scale: true)));
        AreEqual([-1, 0, 1], tensor(Grpo.Advantages(scores, scale: false)));
        AreEqual([-1.5, 0, 1.5], tensor(Rloo.Advantages(scores)));
        // A group of one has nothing to be relative to.
        Assert.Equal([0.0], Grpo.Advantages([7], scale: true));
        Assert.Equal([0.0], Rloo.Advantages([7]));
        // Over all tokens, 1 to 6: mean 3½, variance 17½ / 5 = 3½.
        AreEqual(
            [.. new[] { -2.5, -1.5, -0.5, 0.5, 1.5, 2.5 }.Select(d => d / (Sqrt(3.5) + 1e-8))],
            ReinforcePlusPlus.Whiten(cat([Row(1, 2, 3), Row(4, 5, 6)]), ones(2, 3, dtype: ScalarType.Float64))
        );
    }

    [Fact]
    public void Every_algorithm_gives_two_responses_what_they_are_worth()
    {
        // One prompt, two responses of two and one tokens, scores 1 and 4, KL of each token 1 and β = ½.
        ScoredEpisodes Episodes(Tensor? values = null) =>
            new([1, 4], Kl: cat([Row(1, 1), Row(1, 0)]), Mask: cat([Row(1, 1), Row(1, 0)]), Trained: cat([Row(1, 1), Row(1, 0)]), [2, 1], [0, 0], values, 0.5);
        // GRPO: mean 2½, unbiased standard deviation 3/√2; KL is in its loss.
        var scaled = 1.5 / ((3 / Sqrt(2)) + 1e-4);
        AreEqual([-scaled, -scaled, scaled, scaled], new Grpo(scale: true).Of(Episodes()).Advantages);
        // RLOO: rewards 1 − ½·2 = 0 and 4 − ½ = 3½, each less the other.
        AreEqual([-3.5, -3.5, 3.5, 3.5], new Rloo().Of(Episodes()).Advantages);
        // REINFORCE++: token rewards −½, 1 − ½ and 4 − ½; to go, 0, ½ and 3½; mean 4/3, variance (16/9 + 25/36 + 169/36) / 2 = 43/12.
        var worth = new ReinforcePlusPlus(gamma: 1).Of(Episodes()).Advantages;
        var deviation = Sqrt(43.0 / 12) + 1e-8;
        AreEqual([-4.0 / 3 / deviation, -5.0 / 6 / deviation, 13.0 / 6 / deviation], worth.reshape(-1)[TensorIndex.Slice(0, 3)]);
        // PPO with values 0, γ = λ = 1 and without whitening: the rewards to go.
        var gae = new GeneralizedAdvantage(1, 1, whiten: false).Of(Episodes(zeros(2, 2, dtype: ScalarType.Float64)));
        AreEqual([0, 0.5, 3.5, 0], gae.Advantages);
        AreEqual([0, 0.5, 3.5, 0], gae.Returns!);
    }

    [Theory]
    [InlineData(ScalarType.Float64, 1e-12)]
    [InlineData(ScalarType.Float32, 1e-6)]
    public void The_supervised_loss_and_entropy_of_a_token_come_from_the_logits_at_their_temperature(ScalarType type, double tolerance)
    {
        // Logits 0, 0, ½ ln 2 at temperature ½ are 0, 0, ln 2: p = ¼, ¼, ½. −log p = 2 ln 2 for the first token, ln 2 for the last;
        // the entropy is ½ · 2 ln 2 + ½ ln 2 = 1½ ln 2. d(−log p) / d logit = (p − onehot) / temperature.
        var logits = cat([Row(0, 0, Ln2 / 2), Row(0, 0, Ln2 / 2)]).to(type);
        var tokens = tensor(new long[] { 0, 2 });
        var result = TokenSoftmax.Forward(logits, tokens, temperature: 0.5);
        AreEqual([-2 * Ln2, -Ln2], result.Logprobs, tolerance);
        AreEqual([1.5 * Ln2, 1.5 * Ln2], result.Entropy, tolerance);
        var gradient = TokenSoftmax.Backward(logits.clone(), tokens, 0.5, result, -ones(2, dtype: type), null);
        AreEqual([-1.5, 0.5, 1, 0.5, 0.5, -1], gradient, tolerance);
    }

    [Fact]
    public void The_kl_coefficient_moves_by_at_most_a_fifth_of_batch_over_horizon()
    {
        // Twice the target: clipped to +0.2, times 50 / 100. Nine tenths of it: −0.1. Nothing: clipped to −0.2.
        Assert.Equal(0.11, AdaptiveKl.Next(0.1, kl: 12, target: 6, horizon: 100, batch: 50), 1e-12);
        Assert.Equal(0.095, AdaptiveKl.Next(0.1, kl: 5.4, target: 6, horizon: 100, batch: 50), 1e-12);
        Assert.Equal(0.09, AdaptiveKl.Next(0.1, kl: 0, target: 6, horizon: 100, batch: 50), 1e-12);
    }
}
