using System.Text.Json.Nodes;
using RlHarness.Models.Decoders;
using RlHarness.Models.Kernels;
using RlHarness.Tests;
using RlHarness.Training.Algorithms;
using RlHarness.Training.Losses;
using RlHarness.Training.Optimization;
using RlHarness.Training.Ppo;
using TorchSharp;
using static TorchSharp.torch;

namespace RlHarness.Training.Tests.Losses;

/// <summary>The pure arithmetic in float64 against golden/rl: relative ≤ 1e-9.</summary>
[Trait("kind", "arithmetic")]
public sealed class GoldenRlTests : IDisposable
{
    private readonly DisposeScope _scope = NewDisposeScope();

    private static (TensorFile Tensors, JsonObject Cases) Load() =>
        (
            new TensorFile(Golden.Require("rl", "expected.safetensors")),
            JsonNode.Parse(File.ReadAllText(Golden.Require("rl", "expected.json")))!["cases"]!.AsObject()
        );

    private static double Number(JsonNode? node) => node!.GetValue<double>();

    private static void Same(Tensor expected, Tensor got, string what, double tolerance = 1e-9)
    {
        var (e, g) = (expected.to(ScalarType.Float64), got.detach().to(ScalarType.Float64));
        Assert.Equal(e.shape, g.shape);
        var error = (e - g).abs().max().item<double>() / Math.Max(1, e.abs().max().item<double>());
        Assert.True(error <= tolerance, $"{what}: {error:e2}");
    }

    public void Dispose() => _scope.Dispose();

    [Fact]
    public void Masked_statistics_and_whitening()
    {
        var (t, _) = Load();
        var (x, m) = (t["masked.x"], t["masked.mask"].to(ScalarType.Float64));
        Same(t["masked.mean"], Masked.Mean(x, m), "mean");
        Same(t["masked.variance"], Masked.Variance(x, m), "variance");
        Same(t["masked.variance_biased"], Masked.Variance(x, m, unbiased: false), "biased variance");
        Same(t["masked.whitened"], Masked.Whiten(x, m), "whitened");
    }

    [Fact]
    public void Kl_estimators()
    {
        var (t, _) = Load();
        var (lp, rf) = (t["kl.logprobs"], t["kl.ref_logprobs"]);
        Same(t["kl.k1"], Kl.Estimate(KlEstimator.K1, lp, rf), "k1");
        Same(t["kl.k2"], Kl.Estimate(KlEstimator.K2, lp, rf), "k2");
        Same(t["kl.k3"], Kl.Estimate(KlEstimator.K3, lp, rf), "k3");
    }

    [Fact]
    public void Rewards_advantages_returns_and_explained_variance()
    {
        var (t, cases) = Load();
        foreach (var (name, c) in cases.Where(c => c.Key.StartsWith("gae_", StringComparison.Ordinal)).AtLeastOne())
        {
            var lengths = c!["lengths"]!.AsArray().Select(x => x!.GetValue<int>()).ToArray();
            var mask = t[name + ".mask"].to(ScalarType.Float64);
            var kl = Kl.Estimate(KlEstimator.K1, t[name + ".logprobs"], t[name + ".ref_logprobs"]);
            var rewards = GeneralizedAdvantage.TokenRewards(kl, Number(c["kl_coef"]), t[name + ".scores"], lengths, mask);
            Same(t[name + ".rewards"], rewards, name + " rewards");
            var gae = GeneralizedAdvantage.Gae(rewards, t[name + ".values"], mask, Number(c["gamma"]), Number(c["lam"]));
            Same(t[name + ".advantages"], gae.Values, name + " advantages");
            Same(t[name + ".returns"], gae.Returns, name + " returns");
            Same(t[name + ".whitened_advantages"], Masked.Whiten(gae.Values, mask), name + " whitened");
            Same(t[name + ".explained_variance"], Masked.ExplainedVariance(gae.Returns, t[name + ".values"] * mask, mask), name + " explained variance");
        }
    }

    [Theory]
    [InlineData("ppo", LossNormalization.Token)]
    [InlineData("ppo_clip_higher", LossNormalization.Token)]
    [InlineData("ppo_dual_clip", LossNormalization.Token)]
    [InlineData("ppo_sequence_mean", LossNormalization.Sequence)]
    [InlineData("ppo_constant", LossNormalization.Constant)]
    public void Policy_loss_and_its_gradient(string name, LossNormalization normalization)
    {
        var (t, cases) = Load();
        var c = cases[name]!;
        var mask = t[name + ".mask"].to(ScalarType.Float64);
        var fresh = t[name + ".new_logprobs"].requires_grad_(true);
        var clip = new PolicyLoss.Clip(Number(c["lo"]), Number(c["hi"]), c["dual"]?.GetValue<double>());
        var result = PolicyLoss.Compute(
            fresh,
            t[name + ".old_logprobs"],
            t[name + ".advantages"],
            TokenWeights.Padded(normalization, mask, ScalarType.Float64),
            clip
        );
        result.Loss.backward();
        Same(t[name + ".loss"], result.Loss, "loss");
        Same(t[name + ".grad"], fresh.grad!, "gradient");
        Same(t[name + ".ratio"], result.Ratio, "ratio");
        Same(t[name + ".clipfrac"], Masked.Mean(result.Clipped, mask), "clip fraction");
        Same(t[name + ".approx_kl"], PolicyLoss.ApproximateKl(fresh, t[name + ".old_logprobs"], mask), "approximate KL");
        Same(t[name + ".ratio_mean"], Masked.Mean(result.Ratio, mask), "ratio mean");
        Same(t[name + ".ratio_var"], Masked.Variance(result.Ratio, mask), "ratio variance");
    }

    [Theory]
    [InlineData("value")]
    [InlineData("value_unclipped")]
    public void Value_loss_and_its_gradient(string name)
    {
        var (t, cases) = Load();
        var mask = t[name + ".mask"].to(ScalarType.Float64);
        var values = t[name + ".values"].requires_grad_(true);
        var result = ValueLoss.Compute(
            values,
            t[name + ".old_values"],
            t[name + ".returns"],
            mask / mask.sum(),
            cases[name]!["cliprange_value"]?.GetValue<double>()
        );
        result.Loss.backward();
        Same(t[name + ".loss"], result.Loss, "loss");
        Same(t[name + ".grad"], values.grad!, "gradient");
        Same(t[name + ".clipfrac"], Masked.Mean(result.Clipped, mask), "clip fraction");
    }

    [Fact]
    public void Group_advantages_and_losses()
    {
        var (t, _) = Load();
        var scores = t["group.scores"];
        Tensor ByPrompt(Func<double[], double[]> of) =>
            stack([.. Enumerable.Range(0, (int)scores.shape[0]).Select(i => tensor(of([.. scores[i].data<double>()])))]);
        Same(t["group.grpo"], ByPrompt(group => Grpo.Advantages(group, scale: true)), "grpo");
        Same(t["group.dr_grpo"], ByPrompt(group => Grpo.Advantages(group, scale: false)), "dr_grpo");
        Same(t["group.rloo"], ByPrompt(Rloo.Advantages), "rloo");
        Same(t["group.reinforce_pp"], ReinforcePlusPlus.Whiten(scores, ones_like(scores)), "reinforce++");
        foreach (
            var (name, normalization) in new[]
            {
                ("grpo_loss", LossNormalization.Sequence),
                ("dapo_loss", LossNormalization.Token),
                ("dr_grpo_loss", LossNormalization.Constant),
            }
        )
        {
            var fresh = t[name + ".new_logprobs"].requires_grad_(true);
            var weights = TokenWeights.Padded(normalization, t[name + ".mask"], ScalarType.Float64);
            var advantages = t[name + ".sequence_advantages"].unsqueeze(1);
            var loss =
                PolicyLoss.Compute(fresh, t[name + ".old_logprobs"], advantages, weights, new(0.2, 0.2)).Loss
                + PpoTrainer.KlPenalty(fresh, t[name + ".ref_logprobs"], weights, 0.04);
            loss.backward();
            Same(t[name + ".loss"], loss, name);
            Same(t[name + ".grad"], fresh.grad!, name + " gradient");
        }
    }

    [Theory]
    [InlineData("logprobs_t1", 1.0)]
    [InlineData("logprobs_t07", 0.7)]
    public void Log_probabilities_and_entropy_with_their_gradients(string name, double temperature)
    {
        var (t, _) = Load();
        var logits = t[name + ".logits"];
        var vocabulary = logits.shape[^1];
        var rows = logits.view(-1, vocabulary);
        var tokens = t[name + ".tokens"].view(-1);
        var weights = t[name + ".weights"];
        var low = TokenSoftmax.Forward(rows.to(ScalarType.Float32), tokens, temperature); // the kernels
        Same(t[name + ".logprobs"], low.Logprobs.view(weights.shape).to(ScalarType.Float64), "logprobs in fp32", 1e-5);
        Same(t[name + ".entropy"], low.Entropy.view(weights.shape).to(ScalarType.Float64), "entropy in fp32", 1e-5);
        var result = TokenSoftmax.Forward(rows, tokens, temperature);
        Same(t[name + ".logprobs"], result.Logprobs.view(weights.shape), "logprobs");
        Same(t[name + ".entropy"], result.Entropy.view(weights.shape), "entropy");
        var gradient = rows.clone();
        TokenSoftmax.Backward(gradient, tokens, temperature, result, weights.view(-1), null);
        Same(t[name + ".grad_of_weighted_logprobs"], gradient.view(logits.shape), "gradient of logprobs");
        gradient = rows.clone();
        TokenSoftmax.Backward(gradient, tokens, temperature, result, zeros_like(weights).view(-1), weights.view(-1));
        Same(t[name + ".grad_of_weighted_entropy"], gradient.view(logits.shape), "gradient of entropy");
    }

    [Fact]
    public void Extreme_logits_stay_finite()
    {
        var (t, _) = Load();
        var big = t["logprobs_extreme.logits"];
        Same(t["logprobs_extreme.logprobs"], nn.functional.log_softmax(big, -1), "extreme");
        Assert.True(TokenSoftmax.Forward(big, tensor(new long[] { 0, 1 }), 1).Entropy.isfinite().all().item<bool>());
    }

    [Fact]
    public void Reward_model_losses()
    {
        var (t, cases) = Load();
        foreach (var (name, c) in cases.Where(c => c.Key.StartsWith("bradley_terry", StringComparison.Ordinal)).AtLeastOne())
        {
            var (chosen, rejected) = (t[name + ".chosen"].requires_grad_(true), t[name + ".rejected"].requires_grad_(true));
            var loss = PreferenceLoss.BradleyTerry(chosen, rejected, t[name + ".margin"], Number(c!["center_rewards_coefficient"]));
            loss.backward();
            Same(t[name + ".loss"], loss, name);
            Same(t[name + ".grad_chosen"], chosen.grad!, name);
            Same(t[name + ".grad_rejected"], rejected.grad!, name);
            Same(t[name + ".accuracy"], PreferenceLoss.Accuracy(chosen, rejected), name);
        }
    }

    [Theory]
    [InlineData("adamw")]
    [InlineData("adamw_eps_clip")]
    public void AdamW_steps_in_fp32(string name)
    {
        var (t, cases) = Load();
        var c = cases[name]!;
        var betas = c["betas"]!.AsArray().Select(b => b!.GetValue<double>()).ToArray();
        // decay applies to both of the golden parameters, so both are declared as matrices
        using var store = new ParameterStore([new("p0", [3, 4], true), new("p1", [5], true)], CPU);
        using var optimizer = new AdamW(
            new()
            {
                LearningRate = Number(c["lr"]),
                WeightDecay = Number(c["weight_decay"]),
                Epsilon = Number(c["eps"]),
                Beta1 = betas[0],
                Beta2 = betas[1],
                MaxGradNorm = c["max_grad_norm"]?.GetValue<double>(),
            },
            store
        );
        using (no_grad())
        {
            store["p0"].copy_(t[name + ".start0"]);
            store["p1"].copy_(t[name + ".start1"]);
        }

        var norms = t.Doubles(name + ".norms");
        for (var step = 0; step < 6; step++)
        {
            optimizer.ZeroGradients();
            store.GradientOf("p0").copy_(t[name + ".grads0"][step]);
            store.GradientOf("p1").copy_(t[name + ".grads1"][step]);
            Assert.Equal(norms[step], optimizer.Step(Number(c["lr"])), 1e-5);
            Same(t[name + ".after0"][step], store["p0"], $"step {step}", 1e-5);
            Same(t[name + ".after1"][step], store["p1"], $"step {step}", 1e-5);
        }
    }

    [Fact]
    public void Learning_rate_schedules()
    {
        var (t, cases) = Load();
        foreach (var (name, c) in cases.Where(c => c.Key.StartsWith("schedule_", StringComparison.Ordinal)).AtLeastOne())
        {
            var kind = Enum.Parse<ScheduleKind>(name["schedule_".Length..].Replace("_", "", StringComparison.Ordinal), ignoreCase: true);
            var factors = t.Doubles(name + ".factor");
            Assert.NotEmpty(factors);
            for (var s = 0; s < factors.Length; s++)
                Assert.Equal(factors[s], LearningRateSchedule.Factor(kind, s, c!["warmup"]!.GetValue<int>(), c["total"]!.GetValue<int>()), 1e-12);
        }
    }

    [Fact]
    public void Adaptive_kl_coefficients()
    {
        var (_, cases) = Load();
        var c = cases["adaptive_kl"]!;
        var coefficient = Number(c["initial"]);
        Assert.NotEmpty(c["kls"]!.AsArray());
        Assert.Equal(c["kls"]!.AsArray().Count, c["coefficients"]!.AsArray().Count);
        foreach (var (kl, expected) in c["kls"]!.AsArray().Zip(c["coefficients"]!.AsArray()))
        {
            coefficient = AdaptiveKl.Next(coefficient, Number(kl), Number(c["target"]), c["horizon"]!.GetValue<int>(), c["batch"]!.GetValue<int>());
            Assert.Equal(Number(expected), coefficient, 1e-12);
        }
    }

    [Fact]
    public void Advantages_of_a_single_step_episode_are_reward_minus_value()
    {
        var gae = GeneralizedAdvantage.Gae(tensor(new[] { 2.0 }, 1, 1), tensor(new[] { 0.5 }, 1, 1), ones(1, 1, dtype: ScalarType.Float64), 0.9, 0.8);
        Assert.Equal(1.5, gae.Values.item<double>(), 12);
        Assert.Equal(2.0, gae.Returns.item<double>(), 12);
    }

    [Fact]
    public void A_score_lands_on_the_last_response_token_not_on_the_first_pad()
    {
        var mask = tensor(new double[] { 1, 1, 0, 1, 1, 1 }, 2, 3);
        var rewards = GeneralizedAdvantage.TokenRewards(zeros(2, 3, dtype: ScalarType.Float64), 1, tensor(new[] { 5.0, 7.0 }), [2, 3], mask);
        Assert.Equal([0, 5, 0, 0, 0, 7], rewards.data<double>().ToArray());
    }
}
