using RlHarness.Models.Decoders;
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

    private static Tensor Logits(Decoder decoder, TokenBatch batch)
    {
        using var guard = no_grad();
        return decoder.Logits(decoder.Forward(batch));
    }
}
