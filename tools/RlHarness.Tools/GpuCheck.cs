using System.Globalization;
using RlHarness.Core.Randomness;
using RlHarness.Models.Decoders;
using RlHarness.Models.Generation;
using RlHarness.Training.Measuring;
using RlHarness.Training.Ppo;
using TorchSharp;
using static TorchSharp.torch;

namespace RlHarness.Tools;

/// <summary>Holds a device to the CPU: logits side by side, one PPO iteration, and how fast it is.</summary>
public sealed class GpuCheck(Device device, TextWriter output)
{
    /// <summary>Largest difference of a logit in fp32 that two correct devices may show on the small model; its logits are of size 1.</summary>
    private const double Float32Tolerance = 1e-3;

    // bf16 has 8 bits of mantissa: 2^-8 of a logit of size 1, over four layers.
    private const double BFloat16Tolerance = 5e-2;

    /// <summary>Runs all checks. True when all of them passed.</summary>
    public bool Run(IReadOnlyList<ModelShape> shapes)
    {
        var fine = Logits(ScalarType.Float32, Float32Tolerance);
        fine &= Logits(ScalarType.BFloat16, BFloat16Tolerance);
        fine &= PpoIteration();
        foreach (var shape in shapes)
            Speed(shape);
        Line(fine ? "gpu-check: all checks passed" : "gpu-check: a check FAILED");
        return fine;
    }

    private bool Logits(ScalarType type, double tolerance)
    {
        using var scope = NewDisposeScope();
        using var guard = no_grad();
        using var here = Small(CPU);
        using var there = Small(device);
        there.ComputeType = type;
        var ids = Prompts(4, 48);
        using var packedHere = TokenBatch.Pack(ids, CPU);
        using var packedThere = TokenBatch.Pack(ids, device);
        var expected = here.Logits(here.Forward(packedHere));
        var found = there.Logits(there.Forward(packedThere)).cpu();
        var difference = (expected - found).abs().max().item<float>();
        var agree = expected.argmax(-1).eq(found.argmax(-1)).to(ScalarType.Float32).mean().item<float>();
        var size = expected.abs().max().item<float>();
        var fine = difference <= tolerance;
        Line(
            $"logits, CPU float32 against {device} {type}: largest difference {difference:g3} of {size:g3} (allowed {tolerance:g1}), same "
                + $"likeliest token {agree:p1}: {(fine ? "ok" : "FAILED")}"
        );
        return fine;
    }

    private bool PpoIteration()
    {
        using var policy = Small(device, requiresGrad: true);
        using var reference = Small(device);
        using var critic = new Critic(new ScalarHead(policy.Config.HiddenSize, device, new Seeds(1).For("head")), Small(device, requiresGrad: true));
        var settings = new PpoSettings { Epochs = 2, Minibatches = 2 };
        using var trainer = new PpoTrainer(policy, reference, critic, settings, firstRatioTolerance: device.type == DeviceType.CPU ? 0 : 1e-2);
        var clock = System.Diagnostics.Stopwatch.StartNew();
        var requests = Prompts(16, 32).Select((p, i) => new GenerationRequest(p, i)).ToArray();
        var answers = new BatchGenerator(policy).Generate(requests, new SamplingSettings { MaxNewTokens = 32, BatchSize = 16 }, new Seeds(4));
        // The reward only has to differ between answers: the share of even tokens.
        var episodes = answers.Select(a => new Episode(a.Request.Ids, a.Tokens, a.Tokens.Average(t => t % 2 == 0 ? 1.0 : 0))).ToArray();
        using var iteration = trainer.Iterate(episodes, epoch => new Seeds(5).For("order", epoch).Permutation(episodes.Length), learningRateFactor: 1);
        var (experience, updates) = (iteration.Experience, iteration.Updates);
        var sampled = answers.SelectMany((a, i) => a.Logprobs.Zip(experience.Logprobs[i], (x, y) => Math.Abs(x - (float)y))).Max();
        var finite = updates.All(u => double.IsFinite(u.PolicyLoss) && double.IsFinite(u.ValueLoss) && u.PolicyGradientNorm > 0);
        var fine = finite && sampled <= 1e-2;
        Line(
            $"one PPO iteration on {device}: 16 episodes, {updates.Count} updates in {clock.Elapsed.TotalSeconds:f1} s; first ratio off 1 "
                + $"by {updates[0].MaxRatioDeviation:g3}, generation and scoring log-probabilities apart by {sampled:g3}, value loss "
                + $"{updates[0].ValueLoss:g3} to {updates[^1].ValueLoss:g3}: {(fine ? "ok" : "FAILED")}"
        );
        return fine;
    }

    private void Speed(ModelShape shape)
    {
        var cpu = device.type == DeviceType.CPU;
        foreach (var type in new[] { ScalarType.Float32, ScalarType.BFloat16 })
        {
            var peak = MatrixProductSpeed.Measure(type, device, TimeSpan.FromSeconds(1));
            Line($"{shape.Name} ({shape.Parameters / 1e6:f0} M parameters), {type}: matrix product at {peak / 1e12:f2} TFLOPS");
            try
            {
                var speed = new ShapeSpeed(shape, type, device);
                var update = speed.MeasureUpdate(sequences: cpu ? 8 : 32, length: 256, microBatchTokens: cpu ? 1024 : 8192, runs: 3);
                Line(
                    $"  update {update.Sequences} x {update.Length}: {update.TokensPerSecond:f0} tokens/s, "
                        + $"{300 * update.TokensPerSecond * shape.FlopsPerToken / peak:f0} % of the matrix product"
                );
                foreach (var decode in speed.MeasureDecode(cpu ? [1, 32] : [1, 32, 128], cpu ? 32 : 64))
                    Line($"  generation, batch {decode.Batch}: {decode.TokensPerSecond:f0} tokens/s; prompts {decode.PrefillTokensPerSecond:f0} tokens/s");
            }
            catch (System.Runtime.InteropServices.ExternalException e)
            {
                // Most likely out of memory: the other shapes can still be measured.
                Line($"  not measured: {e.Message.Split('\n')[0]}");
            }
        }
    }

    private static Decoder Small(Device device, bool requiresGrad = false)
    {
        var decoder = new Decoder(ModelShape.Tiny.Config, device, requiresGrad: requiresGrad);
        using var source = new Decoder(ModelShape.Tiny.Config, CPU);
        Initialization.Normal(source, 0.05, new Seeds(7).For("weights"));
        decoder.Parameters.CopyFrom(source.Parameters);
        return decoder;
    }

    private static IReadOnlyList<IReadOnlyList<int>> Prompts(int count, int length)
    {
        var random = new Seeds(8).For("prompts");
        return
        [
            .. Enumerable
                .Range(0, count)
                .Select(i => (IReadOnlyList<int>)[.. Enumerable.Range(0, length - i).Select(_ => random.NextInt(ModelShape.Tiny.Config.VocabSize))]),
        ];
    }

    private void Line(FormattableString text) => output.WriteLine(text.ToString(CultureInfo.InvariantCulture));

    private void Line(string text) => output.WriteLine(text);
}
