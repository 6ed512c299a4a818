using RlHarness.Models.Decoders;
using RlHarness.Models.Families;
using RlHarness.Models.Generation;
using RlHarness.Models.Loading;
using static TorchSharp.torch;

namespace RlHarness.Models.Tests.Decoders;

[Trait("kind", "arithmetic")]
public sealed class ComputeTypeTests
{
    private static readonly int[][] Rows =
    [
        [3, 14, 15, 9, 26],
        [5, 35, 8],
    ];

    [Fact]
    public void Logits_in_bfloat16_are_near_those_in_float32_and_not_equal()
    {
        using var scope = NewDisposeScope();
        using var decoder = Tiny.Decoder();
        using var batch = TokenBatch.Pack(Rows, CPU);
        var exact = Logits(decoder, batch);
        decoder.ComputeType = ScalarType.BFloat16;
        var low = Logits(decoder, batch);
        var error = ((low - exact).norm() / exact.norm()).item<float>();
        Assert.InRange(error, 1e-5, 5e-2);
        Assert.Equal(ScalarType.Float32, low.dtype);
        decoder.ComputeType = ScalarType.Float32;
        Assert.Equal(0, GoldenModelTests.LargestDifference(exact, Logits(decoder, batch)));
    }

    [Fact]
    public void Gradients_through_bfloat16_are_float32_and_near_the_exact_ones()
    {
        using var scope = NewDisposeScope();
        using var decoder = Tiny.Decoder(requiresGrad: true);
        using var batch = TokenBatch.Pack(Rows, CPU);
        Tensor Gradient()
        {
            decoder.Parameters.ZeroGradients();
            nn.functional.log_softmax(decoder.Logits(decoder.Forward(batch)), -1).narrow(1, 7, 1).sum().backward();
            return decoder.Parameters.Gradient!.clone();
        }

        var exact = Gradient();
        decoder.ComputeType = ScalarType.BFloat16;
        var low = Gradient();
        Assert.Equal(ScalarType.Float32, low.dtype);
        Assert.InRange(((low - exact).norm() / exact.norm()).item<float>(), 1e-5, 1e-1); // two roundings a product, forward and backward
    }

    [Fact]
    public void Low_precision_copies_are_made_anew_when_weights_have_changed()
    {
        using var scope = NewDisposeScope();
        using var decoder = Tiny.Decoder();
        decoder.ComputeType = ScalarType.BFloat16;
        using var batch = TokenBatch.Pack(Rows, CPU);
        var before = Logits(decoder, batch);
        using (no_grad())
            decoder.Parameters[ParameterLayout.Head].mul_(2); // exact in bfloat16
        Assert.Equal(0, GoldenModelTests.LargestDifference(before, Logits(decoder, batch))); // not told yet: the copies are in use
        decoder.Parameters.Touch();
        Assert.Equal(0, GoldenModelTests.LargestDifference(2 * before, Logits(decoder, batch)));
    }

    [Fact]
    public void Merging_an_adapter_reaches_the_low_precision_copies()
    {
        using var scope = NewDisposeScope();
        using var decoder = Tiny.Decoder();
        decoder.ComputeType = ScalarType.BFloat16;
        using var batch = TokenBatch.Pack(Rows, CPU);
        using var adapters = LoraFolder.Create(decoder, ["q_proj", "down_proj"], 4, 8, new Core.Randomness.Seeds(2).For("adapter"));
        using (no_grad())
            foreach (var s in adapters.Slices)
                adapters.Parameters[s.B].fill_(0.2f);
        var plain = Logits(decoder, batch);
        decoder.Adapters = adapters;
        var with = Logits(decoder, batch);
        decoder.Adapters = null;
        adapters.MergeInto(decoder);
        var merged = Logits(decoder, batch);
        Assert.True(((with - plain).norm() / plain.norm()).item<float>() > 0.2);
        Assert.True(((with - merged).norm() / with.norm()).item<float>() < 5e-2);
    }

    /// <summary>
    /// Two layers of 7,680 weights (qkv 64 x 32, output 32 x 32, gate and up 96 x 32, down 32 x 48), and a head of 300 x 32 where it is its own.
    /// </summary>
    [Theory]
    [InlineData(false, 15360 + 9600)]
    [InlineData(true, 15360)]
    public void A_frozen_model_has_its_matrices_in_bfloat16_alone_and_computes_the_same_numbers_bit_for_bit(bool tied, long low)
    {
        using var scope = NewDisposeScope();
        using var whole = Tiny.Decoder(Tiny.Config with { TieWordEmbeddings = tied });
        var folder = Directory.CreateTempSubdirectory("rlharness-frozen-");
        try
        {
            var family = DecoderFamilies.Find("llama")!;
            ModelSaver.Save(folder.FullName, whole, family, ModelSaver.ConfigJson(whole.Config, family), null);
            using var loaded = ModelLoader.Load(folder.FullName, CPU, withTokenizer: false, frozen: ScalarType.BFloat16);
            var frozen = loaded.Decoder;
            whole.ComputeType = ScalarType.BFloat16;
            Assert.Equal(low, frozen.Parameters.Low!.numel());
            Assert.Equal(whole.Parameters.Count - low, frozen.Parameters.Data.numel());
            Assert.Throws<InvalidOperationException>(frozen.Parameters.EnableGradients);
            using var batch = TokenBatch.Pack(Rows, CPU);
            Assert.Equal(0, GoldenModelTests.LargestDifference(Logits(whole, batch), Logits(frozen, batch)));
            var requests = Rows.Select((r, i) => new GenerationRequest(r, i)).ToArray();
            IReadOnlyList<GeneratedSequence> Answers(Decoder d) =>
                new BatchGenerator(d).Generate(requests, new SamplingSettings { MaxNewTokens = 12 }, new Core.Randomness.Seeds(3));
            foreach (var (a, b) in Answers(whole).Zip(Answers(frozen)))
            {
                Assert.Equal(a.Tokens, b.Tokens);
                Assert.Equal(a.Logprobs, b.Logprobs);
            }

            // Adapters on it have the gradients that they have on weights in fp32.
            Tensor Gradient(Decoder d)
            {
                d.Adapters = LoraFolder.Create(d, ["all-linear"], 4, 8, new Core.Randomness.Seeds(2).For("adapter"));
                using (no_grad())
                    foreach (var s in d.Adapters.Slices)
                        d.Adapters.Parameters[s.B].fill_(0.1f);
                using var pass = d.Record(batch);
                pass.Backward(pass.Hidden.cos());
                return d.Adapters.Parameters.Gradient!.clone();
            }

            Assert.Equal(0, GoldenModelTests.LargestDifference(Gradient(whole), Gradient(frozen)));
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    private static Tensor Logits(Decoder decoder, TokenBatch batch)
    {
        using var guard = no_grad();
        return decoder.Logits(decoder.Forward(batch));
    }
}
