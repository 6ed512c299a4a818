using RlHarness.Core.Errors;
using RlHarness.Core.Randomness;
using RlHarness.Models.Loading;
using RlHarness.Tests;
using RlHarness.Training.Batching;
using RlHarness.Training.Optimization;
using RlHarness.Training.Supervised;
using TorchSharp;
using static TorchSharp.torch;

namespace RlHarness.Training.Tests.Supervised;

[Trait("kind", "arithmetic")]
public sealed class SupervisedTrainerTests(ITestOutputHelper output)
{
    private static readonly AdamWSettings Settings = new() { LearningRate = 1e-2 };

    [Theory]
    [InlineData(12, 1)]
    [InlineData(20, 1)]
    [InlineData(4096, 1)]
    [InlineData(12, 2)]
    [InlineData(4096, 2)]
    public void Loss_and_gradients_are_the_golden_ones_whatever_the_micro_batches_and_threads(int budget, int threads)
    {
        using var some = new Threads(threads);
        using var scope = NewDisposeScope();
        using var t = new TensorFile(Golden.Require("rl", "expected.safetensors"));
        using var model = ModelLoader.Load(Golden.Require("models", "llama"), CPU, requiresGrad: true, withTokenizer: false);
        using var trainer = new SupervisedTrainer(model.Decoder, Settings, budget);
        var (ids, there, scored) = (t.Longs("sft.input_ids"), t.Longs("sft.attention_mask"), t.Longs("sft.loss_mask"));
        var batch = Enumerable
            .Range(0, 4)
            .Select(b => new ScoredSequence(
                [.. Enumerable.Range(0, 12).Where(i => there[b * 12 + i] == 1).Select(i => (int)ids[b * 12 + i])],
                [.. Enumerable.Range(0, 12).Where(i => scored[b * 12 + i] == 1)]
            ))
            .ToArray();
        var (loss, tokens) = trainer.AccumulateGradients(batch);
        Assert.Equal(scored.Sum(), tokens);
        Assert.Equal(t["sft.loss"].item<double>(), loss, 1e-5);
        var (wrong, all) = (0.0, 0.0);
        foreach (var d in model.Decoder.Layout.Disk)
        {
            var want = t["sft.grad." + d.DiskName];
            var error = (model.Decoder.Parameters.GradientOf(d.Parameter).narrow(0, d.Offset, d.Rows).to(ScalarType.Float64) - want).norm().item<double>();
            Assert.True(error <= 1e-5 * Math.Max(want.norm().item<double>(), 1e-3), $"{d.DiskName}: {error / want.norm().item<double>():e2}");
            wrong += error * error;
            all += Math.Pow(want.norm().item<double>(), 2);
        }

        output.WriteLine($"budget {budget}: gradient off by {Math.Sqrt(wrong / all):e2}");
    }

    [Fact]
    public void A_loss_that_is_not_finite_is_refused_in_training_and_on_held_out_sequences_and_such_weights_are_not_written()
    {
        using var decoder = Tiny.Decoder(requiresGrad: true);
        using (no_grad())
            decoder.Parameters["model.norm.weight"].fill_(float.NaN);
        using var trainer = new SupervisedTrainer(decoder, Settings, 64);
        var folder = Directory.CreateTempSubdirectory("rlharness-nan-");
        try
        {
            foreach (
                var (act, what) in new (Action, string)[]
                {
                    (() => trainer.Step(Tiny.Sequences(3), 1e-2), "the loss of tuning is not finite"),
                    (() => trainer.Evaluate(Tiny.Sequences(3)), "the loss of held-out sequences is not finite"),
                    (
                        () => NamedTensors.Save(Path.Combine(folder.FullName, "a.safetensors"), [("norm", decoder.Parameters["model.norm.weight"])]),
                        "element 0 of norm, which was to be written, is not finite"
                    ),
                }
            )
            {
                var error = Assert.Throws<HarnessException>(act);
                Assert.Equal(ErrorKind.Numerics, error.Kind);
                Assert.StartsWith(what, error.Message, StringComparison.Ordinal);
            }

            Assert.Empty(folder.GetFiles());
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    [Fact]
    public void Splitting_into_micro_batches_changes_no_step()
    {
        using var scope = NewDisposeScope();
        Tensor Trained(int budget)
        {
            using var decoder = Tiny.Decoder(requiresGrad: true);
            var before = decoder.Parameters.Data.clone();
            using var trainer = new SupervisedTrainer(decoder, Settings with { Epsilon = 1e-3 }, budget);
            for (var step = 0; step < 3; step++)
                trainer.Step(Tiny.Sequences(6), 1e-2);
            return decoder.Parameters.Data.detach() - before.detach();
        }

        var whole = Trained(4096);
        Assert.True(Tiny.Largest(whole) > 1e-3);
        Assert.True(Tiny.RelativeError(Trained(1), whole) <= 1e-3); // Adam divides rounding of a small gradient by its own size
        Assert.True(Tiny.RelativeError(Trained(20), whole) <= 1e-3);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Steps_on_two_threads_repeat_bit_for_bit_and_are_those_on_one(bool adapters)
    {
        using var scope = NewDisposeScope();
        Tensor Trained(int threads)
        {
            using var some = new Threads(threads);
            using var decoder = adapters ? Tiny.LoraDecoder() : Tiny.Decoder(requiresGrad: true);
            var trained = DifferentiablePass.Trainable(decoder).Data;
            var before = trained.clone();
            using var trainer = new SupervisedTrainer(decoder, Settings with { Epsilon = 1e-3 }, 40);
            for (var step = 0; step < 3; step++)
                trainer.Step(Tiny.Sequences(7, $"step {step}"), 1e-2);
            return trained.detach().clone() - before.detach();
        }

        Tensor one = Trained(1),
            two = Trained(2),
            again = Trained(2);
        Assert.Equal(two.data<float>().ToArray(), again.data<float>().ToArray());
        Assert.True(Tiny.Largest(one) > 1e-3);
        Assert.True(Tiny.RelativeError(two, one) <= 1e-3);
    }

    [Fact]
    public void Evaluation_is_the_mean_over_scored_tokens_of_minus_log_p()
    {
        using var scope = NewDisposeScope();
        using var decoder = Tiny.Decoder(requiresGrad: true);
        using var trainer = new SupervisedTrainer(decoder, Settings, 16);
        var sequences = Tiny.Sequences(5);
        var (loss, _) = trainer.AccumulateGradients(sequences);
        Assert.Equal(loss, trainer.Evaluate(sequences), 1e-5);
        Assert.Equal(double.NaN, trainer.Evaluate([]));
        using (no_grad())
            decoder.Parameters[decoder.HeadName].zero_();
        decoder.Parameters.Touch();
        Assert.Equal(Math.Log(Tiny.Vocabulary), trainer.Evaluate(sequences), 1e-5); // all logits 0: uniform
    }

    [Fact]
    public void With_adapters_the_base_stays_and_only_adapters_learn()
    {
        using var scope = NewDisposeScope();
        using var decoder = Tiny.LoraDecoder();
        var (body, adapters) = (decoder.Parameters.Data.clone(), decoder.Adapters!.Parameters.Data.clone());
        using var trainer = new SupervisedTrainer(decoder, Settings, 64);
        var losses = Enumerable.Range(0, 15).Select(_ => trainer.Step(Tiny.Sequences(6), 1e-2).Loss).ToArray();
        Assert.Null(decoder.Parameters.Gradient);
        Assert.Equal(0, Tiny.Largest(body - decoder.Parameters.Data));
        Assert.True(Tiny.Largest(adapters - decoder.Adapters.Parameters.Data) > 1e-3);
        Assert.True(losses[^1] < losses[0] - 0.1, $"{losses[0]} to {losses[^1]}");
    }

    [Fact]
    public void A_gradient_that_is_not_finite_is_an_error_and_changes_no_weight()
    {
        using var scope = NewDisposeScope();
        using var decoder = Tiny.Decoder(requiresGrad: true);
        using var trainer = new SupervisedTrainer(decoder, Settings, 64);
        using (no_grad())
            decoder.Parameters["model.norm.weight"].fill_(float.NaN);
        var before = decoder.Parameters.Data.clone();
        var error = Assert.Throws<HarnessException>(() => trainer.Step(Tiny.Sequences(2), 1e-2));
        Assert.Equal(ErrorKind.Numerics, error.Kind);
        Assert.True(before.nan_to_num(7).eq(decoder.Parameters.Data.nan_to_num(7)).all().item<bool>());
        Assert.Equal(0, trainer.Optimizer.Steps);
        Assert.All(trainer.Optimizer.State, s => Assert.Equal(0, Tiny.Largest(s.Tensor)));
    }

    [Fact]
    public void A_step_leaves_no_tensor_behind()
    {
        using var decoder = Tiny.Decoder(requiresGrad: true);
        using var trainer = new SupervisedTrainer(decoder, Settings, 32);
        var sequences = Tiny.Sequences(6);
        trainer.Step(sequences, 1e-3);
        var before = Tiny.LiveTensors();
        trainer.Step(sequences, 1e-3);
        trainer.Evaluate(sequences);
        Assert.Equal(before, Tiny.LiveTensors());
    }

    [Theory]
    [InlineData(1, 4)]
    [InlineData(97, 4)]
    [InlineData(97, 200)]
    public void An_epoch_holds_each_index_once(int count, int batchSize)
    {
        var batches = EpochOrder.Batches(count, batchSize, new Seeds(1).For("order"));
        Assert.Equal(Enumerable.Range(0, count), batches.SelectMany(b => b).Order());
        Assert.Equal((count + batchSize - 1) / batchSize, batches.Count);
        Assert.All(batches, b => Assert.InRange(b.Count, 1, batchSize));
        Assert.Equal(batches.SelectMany(b => b), EpochOrder.Batches(count, batchSize, new Seeds(1).For("order")).SelectMany(b => b));
        if (count > batchSize)
            Assert.NotEqual(batches.SelectMany(b => b), EpochOrder.Batches(count, batchSize, new Seeds(2).For("order")).SelectMany(b => b));
    }

    [Fact]
    public void A_short_sequence_s_token_weighs_about_as_much_as_a_long_one_s()
    {
        // A token's weight is one over its batch's tokens. Of 16 sequences of 10 or 100 tokens, k others are long: E[1/(160 + 90k)] against E[1/(250 + 90k)]
        // with k ~ Bin(15, ½) is 1.11; in batches of like length it would be 10.
        int[] lengths = [.. Enumerable.Range(0, 6400).Select(i => i < 3200 ? 10 : 100)];
        var weights = new double[lengths.Length];
        foreach (var batch in EpochOrder.Batches(lengths.Length, 16, new Seeds(1).For("order")))
            foreach (var i in batch)
                weights[i] = 1.0 / batch.Sum(j => lengths[j]);
        Assert.InRange(weights[..3200].Average() / weights[3200..].Average(), 1.08, 1.14);
    }
}
