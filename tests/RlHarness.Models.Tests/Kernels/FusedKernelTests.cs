using RlHarness.Models.Decoders;
using RlHarness.Models.Kernels;
using static TorchSharp.torch;

namespace RlHarness.Models.Tests.Kernels;

/// <summary>The witness is libtorch: its plain operations and its own differentiation.</summary>
[Trait("kind", "arithmetic")]
public sealed class FusedKernelTests
{
    public static TheoryData<int, ScalarType> Widths()
    {
        var data = new TheoryData<int, ScalarType>();
        foreach (var width in new[] { 1, 15, 16, 64, 344, 577 })
            foreach (var type in new[] { ScalarType.Float32, ScalarType.BFloat16 })
                data.Add(width, type);
        return data;
    }

    [Theory]
    [MemberData(nameof(Widths))]
    public void RmsNorm_with_its_sum_and_gradients(int width, ScalarType type)
    {
        using var scope = NewDisposeScope();
        var (x, added, weight, dy) = (Gaussian(1, 130, width), Gaussian(2, 130, width).to(type), Gaussian(3, width), Gaussian(4, 130, width).to(type));
        var leaf = (x + added).requires_grad_(true);
        var w = weight.clone().requires_grad_(true);
        var plain = leaf * (leaf.square().mean([-1L], keepdim: true) + 1e-5).rsqrt() * w;
        (plain * dy).sum().backward();
        var found = RmsNorm.Forward(x, added, weight, 1e-5, type);
        Near(leaf, found.Sum, 1e-6);
        Near(plain, found.Y.to(ScalarType.Float32), Tolerance(type));
        var (gradient, weightGradient) = (ones_like(x), ones(width));
        RmsNorm.Backward(dy, found.Sum, found.Scale, weight, gradient, weightGradient);
        Near(leaf.grad! + 1, gradient, 1e-5);
        Near(w.grad! + 1, weightGradient, 1e-5);
    }

    [Theory]
    [MemberData(nameof(Widths))]
    public void Gated_units_with_their_gradients(int width, ScalarType type)
    {
        foreach (var activation in new[] { Activation.Silu, Activation.GeluTanh })
        {
            using var scope = NewDisposeScope();
            var (both, dy) = ((Gaussian(1, 70, 2 * width) * 3).to(type), Gaussian(2, 70, width).to(type));
            var leaf = both.to(ScalarType.Float32).clone().requires_grad_(true);
            var gate = leaf.narrow(1, 0, width);
            var plain =
                (activation == Activation.Silu ? gate * gate.sigmoid() : 0.5 * gate * (1 + (Math.Sqrt(2 / Math.PI) * (gate + 0.044715 * gate.pow(3))).tanh()))
                * leaf.narrow(1, width, width);
            (plain * dy.to(ScalarType.Float32)).sum().backward();
            Near(plain, GatedUnit.Forward(both, activation).to(ScalarType.Float32), Tolerance(type));
            var again = GatedUnit.Backward(both, activation, dy);
            Near(plain, again.to(ScalarType.Float32), Tolerance(type));
            Near(leaf.grad!, both.to(ScalarType.Float32), Tolerance(type));
        }
    }

    [Theory]
    [InlineData(4, 4)]
    [InlineData(64, 64)]
    [InlineData(80, 32)]
    public void Rotary_positions_turn_and_turn_back(int headDim, int rotary)
    {
        foreach (var type in new[] { ScalarType.Float32, ScalarType.BFloat16 })
        {
            using var scope = NewDisposeScope();
            const int heads = 3,
                tokens = 37;
            var x = Gaussian(1, tokens, 2 + heads * headDim).to(type);
            var angle = Gaussian(2, tokens, rotary / 2);
            var (cos, sin) = (cat([angle.cos(), angle.cos()], 1), cat([-angle.sin(), angle.sin()], 1));
            // A turn by an angle is a product of complex numbers: (a + ib)(cos + i sin) for dimensions i and i + rotary / 2.
            var part = x.narrow(1, 2, heads * headDim).to(ScalarType.Float32).view(tokens, heads, headDim);
            var (a, b) = (part.narrow(2, 0, rotary / 2), part.narrow(2, rotary / 2, rotary / 2));
            var (c, s) = (angle.cos().unsqueeze(1), angle.sin().unsqueeze(1));
            var expected = cat([a * c - b * s, a * s + b * c, part.narrow(2, rotary, headDim - rotary)], 2).view(tokens, -1) * 0.5;
            var found = zeros(tokens, 1 + heads * headDim, dtype: type);
            Rotary.Apply(x, 2, found, 1, heads, headDim, cos, sin, factor: 0.5f);
            Near(expected, found.narrow(1, 1, heads * headDim).to(ScalarType.Float32), Tolerance(type));
            var back = zeros(tokens, heads * headDim, dtype: type);
            Rotary.Apply(found, 1, back, 0, heads, headDim, cos, sin, back: true, 2);
            Near(x.narrow(1, 2, heads * headDim).to(ScalarType.Float32), back.to(ScalarType.Float32), 2 * Tolerance(type));
        }
    }

    [Theory]
    [MemberData(nameof(Widths))]
    public void Log_probabilities_entropies_and_the_gradient_by_the_logits(int vocabulary, ScalarType type)
    {
        using var scope = NewDisposeScope();
        const double temperature = 0.7;
        var logits = (Gaussian(1, 50, vocabulary) * 5).to(type);
        var targets = tensor(Enumerable.Range(0, 50).Select(i => (long)(i * 7 % vocabulary)).ToArray());
        var (g, h) = (Gaussian(2, 50), Gaussian(3, 50));
        var leaf = logits.to(ScalarType.Float32).clone().requires_grad_(true);
        var logp = nn.functional.log_softmax(leaf / temperature, -1);
        var chosen = logp.gather(1, targets.unsqueeze(1)).squeeze(1);
        var entropy = -(logp.exp() * logp).sum([1L]);
        (chosen * g + entropy * h).sum().backward();
        var found = TokenSoftmax.Forward(logits, targets, temperature);
        Near(chosen, found.Logprobs, 1e-5);
        Near(entropy + 1, found.Entropy + 1, 1e-5);
        TokenSoftmax.Backward(logits, targets, temperature, found, g, h);
        Near(leaf.grad! + 1, logits.to(ScalarType.Float32) + 1, Tolerance(type));
    }

    [Fact]
    public void Logits_that_were_summed_from_bfloat16_have_fp32_log_probabilities_and_a_gradient_in_bfloat16()
    {
        using var scope = NewDisposeScope();
        var logits = Gaussian(1, 9, 77) * 5;
        var (targets, g, h) = (tensor(Enumerable.Range(0, 9).Select(i => (long)(i * 7)).ToArray()), Gaussian(2, 9), Gaussian(3, 9));
        var leaf = logits.clone().requires_grad_(true);
        var logp = nn.functional.log_softmax(leaf / 0.7, -1);
        var chosen = logp.gather(1, targets.unsqueeze(1)).squeeze(1);
        (chosen * g - (logp.exp() * logp).sum([1L]) * h).sum().backward();
        var found = TokenSoftmax.Forward(logits, targets, 0.7, ScalarType.BFloat16);
        Near(chosen, found.Logprobs, 1e-5);
        var before = logits.clone();
        var gradient = TokenSoftmax.Backward(logits, targets, 0.7, found, g, h, ScalarType.BFloat16);
        Assert.Equal(ScalarType.BFloat16, gradient.dtype);
        Near(leaf.grad! + 1, gradient.to(ScalarType.Float32) + 1, Tolerance(ScalarType.BFloat16));
        Assert.True(before.eq(logits).all().item<bool>());
    }

    [Fact]
    public void Without_kernels_libtorchs_operations_give_the_same_logits_and_gradients()
    {
        using var scope = NewDisposeScope();
        using var decoder = Tiny.Decoder(requiresGrad: true);
        using var batch = TokenBatch.Pack(
            [
                [3, 14, 15, 9, 26],
                [5, 35, 8],
            ],
            CPU
        );
        (Tensor Hidden, Tensor Gradient) Pass()
        {
            decoder.Parameters.ZeroGradients();
            using var pass = decoder.Record(batch);
            pass.Backward(pass.Hidden.cos());
            return (pass.Hidden.clone(), decoder.Parameters.Gradient!.clone());
        }

        var fused = Pass();
        FusedKernels.Enabled = false;
        try
        {
            var plain = Pass();
            Near(plain.Hidden, fused.Hidden, 1e-5);
            Near(plain.Gradient, fused.Gradient, 1e-5);
        }
        finally
        {
            FusedKernels.Enabled = true;
        }
    }

    [Fact]
    public void Checkpointed_layers_give_the_same_gradients_bit_for_bit()
    {
        using var scope = NewDisposeScope();
        using var decoder = Tiny.Decoder(requiresGrad: true);
        using var batch = TokenBatch.Pack(
            [
                [3, 14, 15, 9, 26],
                [5, 35, 8],
            ],
            CPU
        );
        Tensor Gradient()
        {
            decoder.Parameters.ZeroGradients();
            using var pass = decoder.Record(batch);
            pass.Backward(pass.Hidden.cos());
            return decoder.Parameters.Gradient!.clone();
        }

        var kept = Gradient();
        decoder.ActivationCheckpointing = true;
        Assert.True(Gradient().equal(kept).all().item<bool>());
    }

    [Fact]
    public void Loops_cover_each_row_once_whatever_the_pieces()
    {
        foreach (var (count, piece) in new[] { (0L, 3L), (1, 3), (10, 3), (1000, 7), (5, 100) })
        {
            var seen = new int[count];
            CpuThreads.For(count, piece, (from, to) =>
            {
                for (var i = from; i < to; i++)
                    Interlocked.Increment(ref seen[i]);
            });
            Assert.All(seen, n => Assert.Equal(1, n));
        }
    }

    [Fact]
    public void A_kernel_that_fails_says_so_on_the_calling_thread() =>
        Assert.Throws<DivideByZeroException>(() =>
        {
            try
            {
                CpuThreads.For(1000, 10, (from, _) => throw new DivideByZeroException($"{from}"));
            }
            catch (InvalidOperationException e)
            {
                throw e.InnerException!;
            }
        });

    private static double Tolerance(ScalarType type) => type == ScalarType.BFloat16 ? 1e-2 : 1e-5; // bfloat16 has 8 bits of mantissa

    private static void Near(Tensor expected, Tensor found, double tolerance)
    {
        var error = ((found - expected).norm() / (expected.norm() + 1e-6)).item<float>();
        Assert.True(error <= tolerance, $"relative error {error:e2}");
    }

    private static Tensor Gaussian(int seed, params long[] shape)
    {
        var random = new Core.Randomness.Seeds((ulong)seed).For("kernels");
        return tensor(Enumerable.Range(0, (int)shape.Aggregate(1L, (a, b) => a * b)).Select(_ => (float)random.NextGaussian()).ToArray(), shape);
    }
}
