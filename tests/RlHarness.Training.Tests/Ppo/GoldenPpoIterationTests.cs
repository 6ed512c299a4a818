using System.Text.Json.Nodes;
using RlHarness.Core.Randomness;
using RlHarness.Models.Decoders;
using RlHarness.Models.Loading;
using RlHarness.Tests;
using RlHarness.Training.Optimization;
using RlHarness.Training.Ppo;
using TorchSharp;
using static TorchSharp.torch;

namespace RlHarness.Training.Tests.Ppo;

/// <summary>One whole PPO iteration in fp32 against one computed in float64 by another implementation.</summary>
[Trait("kind", "arithmetic")]
public sealed class GoldenPpoIterationTests(ITestOutputHelper output)
{
    [Theory]
    [InlineData("ppo_iteration_joint", 4096, 1)]
    [InlineData("ppo_iteration_separate", 4096, 1)]
    [InlineData("ppo_iteration_separate", 4096, 2)]
    [InlineData("ppo_iteration_joint", 16, 1)]
    [InlineData("ppo_iteration_joint", 16, 2)]
    public void Losses_norms_and_weights_of_a_whole_iteration(string name, int microBatchTokens, int threads)
    {
        using var some = new Threads(threads);
        using var scope = NewDisposeScope();
        using var t = new TensorFile(Golden.Require("rl", "expected.safetensors"));
        var c = JsonNode.Parse(File.ReadAllText(Golden.Require("rl", "expected.json")))!["cases"]![name]!;
        using var start = new TensorFile(Golden.Require("rl", "ppo_iteration_start.safetensors"));
        using var end = new TensorFile(Golden.Require("rl", name + "_end.safetensors"));
        using var policy = ModelLoader.Load(Golden.Require("models", "llama"), CPU, requiresGrad: true, withTokenizer: false);
        using var reference = ModelLoader.Load(Golden.Require("models", "llama"), CPU, withTokenizer: false);
        var body = ModelLoader.Load(Golden.Require("models", "llama_tied_mha"), CPU, requiresGrad: true, withHead: false, withTokenizer: false).Decoder;
        using var critic = new Critic(new ScalarHead(64, CPU, new Seeds(0).For("head")), body);
        using (no_grad())
        {
            foreach (var d in policy.Decoder.Layout.Disk)
                policy.Decoder.Parameters[d.Parameter].narrow(0, d.Offset, d.Rows).copy_(start["policy." + d.DiskName]);
            policy.Decoder.Parameters.Touch();
            critic.Head.Parameters[ScalarHead.Weight].copy_(start["value_head.weight"]);
        }

        var before = policy.Decoder.Parameters.Data.clone();
        var adam = new OptimizerSettings
        {
            LearningRate = 5e-5,
            Epsilon = 1e-5,
            MaxGradNorm = 1,
        };
        using var trainer = new PpoTrainer(
            policy.Decoder,
            reference.Decoder,
            critic,
            new PpoSettings
            {
                Temperature = 0.7,
                KlCoefficient = 0.05,
                Lambda = 0.95,
                Minibatches = 2,
                Epochs = 2,
                JointOptimizer = name.EndsWith("joint", StringComparison.Ordinal),
                ValueCoefficient = 0.1,
                Optimizer = adam,
                MicroBatchTokens = microBatchTokens,
            }
        );
        var (queries, responses) = (t.Longs(name + ".queries"), t.Longs(name + ".responses"));
        var (ql, rl) = (t.Longs(name + ".query_lengths"), t.Longs(name + ".response_lengths"));
        var scores = t.Doubles(name + ".scores");
        var episodes = Enumerable
            .Range(0, 8)
            .Select(i => new Episode(
                [.. queries.Skip(i * 6).Take((int)ql[i]).Select(x => (int)x)],
                [.. responses.Skip(i * 7).Take((int)rl[i]).Select(x => (int)x)],
                scores[i]
            ))
            .ToArray();
        var orders = c["minibatch_order"]!.AsArray().Select(o => o!.AsArray().Select(i => i!.GetValue<int>()).ToArray()).ToArray();

        using var iteration = trainer.Iterate(episodes, epoch => orders[epoch], learningRateFactor: 1);
        var experience = iteration.Experience;
        void Compare(string what, Func<int, IEnumerable<double>> got, double tolerance)
        {
            var want = t.Doubles(name + "." + what);
            for (var i = 0; i < 8; i++)
                foreach (var (value, k) in got(i).Select((v, k) => (v, k)))
                    Assert.True(Math.Abs(want[i * 7 + k] - value) <= tolerance, $"{what}[{i}, {k}]: {value} for {want[i * 7 + k]}");
        }

        Compare("old_logprobs", i => experience.Logprobs[i], 1e-4);
        Compare("ref_logprobs", i => experience.ReferenceLogprobs[i], 1e-4);
        Compare("old_values", i => experience.Values![i], 1e-4);
        Compare("advantages", i => experience.Advantages[i], 1e-4);
        Compare("returns", i => experience.Returns![i], 1e-4);

        var steps = c["steps"]!.AsArray();
        Assert.Equal(steps.Count, iteration.Updates.Count);
        foreach (var (row, want) in iteration.Updates.Zip(steps, (row, step) => (row, step!)))
        {
            void Close(string key, double got, double absolute = 1e-6) =>
                Assert.True(
                    Math.Abs(got - want[key]!.GetValue<double>()) <= 1e-3 * Math.Abs(want[key]!.GetValue<double>()) + absolute,
                    $"{key} at {row.Epoch}/{row.Minibatch}: {got} for {want[key]}"
                );
            Close("policy_loss", row.PolicyLoss);
            Close("value_loss", row.ValueLoss);
            Close("approx_kl", row.ApproxKl);
            Close("clipfrac", row.ClipFraction);
            Close("ratio_mean", row.RatioMean);
            Close("policy_grad_norm", row.PolicyGradientNorm);
            // golden norms of the joint form are of 0.1 times the value loss, as they are here
            Close("critic_grad_norm", row.CriticGradientNorm);
            if (row is { Epoch: 0, Minibatch: 0 })
                Assert.Equal(0, row.MaxRatioDeviation);
        }

        double wrong = 0,
            change = 0;
        foreach (var d in policy.Decoder.Layout.Disk)
        {
            var want = end["policy." + d.DiskName].to(ScalarType.Float64);
            wrong += Math.Pow(
                (policy.Decoder.Parameters[d.Parameter].detach().narrow(0, d.Offset, d.Rows).to(ScalarType.Float64) - want).norm().item<double>(),
                2
            );
            change += Math.Pow((start["policy." + d.DiskName].to(ScalarType.Float64) - want).norm().item<double>(), 2);
        }

        output.WriteLine($"{name}: weights off by {Math.Sqrt(wrong / change):e2} of their change");
        Assert.True(Math.Sqrt(wrong / change) <= 1e-3, $"{Math.Sqrt(wrong / change):e2}");
        Assert.True((before - policy.Decoder.Parameters.Data).abs().max().item<float>() > 0);
        var criticWrong = 0.0;
        foreach (var d in body.Layout.Disk)
        {
            var key = "critic." + d.DiskName["model.".Length..];
            criticWrong = Math.Max(
                criticWrong,
                (body.Parameters[d.Parameter].detach().narrow(0, d.Offset, d.Rows) - end[key]).abs().max().to(ScalarType.Float64).item<double>()
            );
        }

        Assert.True(criticWrong <= 2e-6, $"critic off by {criticWrong:e2}");
    }
}
