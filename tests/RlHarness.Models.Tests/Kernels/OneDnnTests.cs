using System.Runtime.InteropServices;
using RlHarness.Core.Randomness;
using RlHarness.Models.Decoders;
using RlHarness.Models.Generation;
using RlHarness.Models.Kernels;
using TorchSharp;
using static TorchSharp.torch;

namespace RlHarness.Models.Tests.Kernels;

/// <summary>The witness is the product in double precision.</summary>
[Trait("kind", "arithmetic")]
public sealed class OneDnnTests
{
    private static readonly DecoderConfig Wide = Tiny.Config with
    {
        VocabSize = 1200,
        HiddenSize = 256,
        IntermediateSize = 640,
        NumAttentionHeads = 8,
        HeadDim = 32,
        TieWordEmbeddings = true,
    };

    [Fact]
    public void It_is_there_where_it_is_promised()
    {
        // On x64 under Linux libtorch is built with it; elsewhere its own products serve.
        if (OperatingSystem.IsLinux() && RuntimeInformation.ProcessArchitecture == Architecture.X64) Assert.True(OneDnn.Available);
    }

    [Theory]
    [InlineData(130, 640, 512)]
    [InlineData(200, 512, 640)]
    [InlineData(129, 301, 1000)]
    public void A_product_equals_the_double_one_with_rows_or_columns_of_weights_together(int rows, int outputs, int inputs)
    {
        if (!OneDnn.Available) return;
        using var scope = NewDisposeScope();
        manual_seed(1);
        var (x, weight, gradient) = (randn(rows, inputs), randn(outputs, inputs), randn(rows, outputs));
        Assert.True(OneDnn.Fits(x, weight));
        Near(OneDnn.Linear(x, weight), mm(x.to(ScalarType.Float64), weight.to(ScalarType.Float64).t()), 1e-5);
        Near(OneDnn.Linear(gradient, weight.t()), mm(gradient.to(ScalarType.Float64), weight.to(ScalarType.Float64)), 1e-5);
        Near(OneDnn.Linear(x.narrow(1, 0, inputs / 2), weight.narrow(1, 0, inputs / 2)), mm(x.narrow(1, 0, inputs / 2).to(ScalarType.Float64), weight.narrow(1, 0, inputs / 2).to(ScalarType.Float64).t()), 1e-5);
    }

    [Theory]
    [InlineData(ScalarType.Float32, 1e-5)]
    [InlineData(ScalarType.BFloat16, 1e-2)]
    public void A_packed_matrix_serves_any_number_of_rows(ScalarType type, double tolerance)
    {
        if (!OneDnn.Available) return;
        using var scope = NewDisposeScope();
        manual_seed(2);
        var weight = randn(700, 512).to(type);
        var packed = OneDnn.Pack(weight, 32);
        foreach (var rows in new[] { 1, 7, 32, 33, 300 })
        {
            var x = randn(rows, 512).to(type);
            Near(OneDnn.LinearOfPacked(x, packed), mm(x.to(ScalarType.Float64), weight.to(ScalarType.Float64).t()), tolerance);
        }
    }

    [Fact]
    public void Threads_multiply_side_by_side()
    {
        if (!OneDnn.Available) return;
        using var scope = NewDisposeScope();
        manual_seed(3);
        var (x, weight) = (randn(150, 600), randn(700, 600));
        var packed = OneDnn.Pack(weight, 150);
        var expected = OneDnn.LinearOfPacked(x, packed);
        var different = 0;
        Parallel.For(0, 400, new ParallelOptions { MaxDegreeOfParallelism = 4 }, i =>
        {
            using var guard = no_grad();
            using var found = i % 2 == 0 ? OneDnn.LinearOfPacked(x, packed) : OneDnn.Linear(x, weight);
            using var off = (found - expected).abs().max();
            if (off.item<float>() > 1e-3f) Interlocked.Increment(ref different);
        });
        Assert.Equal(0, different);
    }

    [Fact]
    public void Small_matrices_few_rows_and_other_types_go_other_ways()
    {
        using var scope = NewDisposeScope();
        Assert.False(OneDnn.Fits(zeros(500, 128), zeros(384, 128)));
        Assert.False(OneDnn.Fits(zeros(64, 1000), zeros(1000, 1000)));
        Assert.False(OneDnn.Fits(zeros(500, 1000, dtype: ScalarType.BFloat16), zeros(1000, 1000, dtype: ScalarType.BFloat16)));
        Assert.False(OneDnn.CanPack(zeros(1000, 1000, dtype: ScalarType.Float64)));
        // Its operators know no gradients.
        var trained = zeros(1000, 1000, requires_grad: true);
        Assert.False(OneDnn.Fits(zeros(500, 1000), trained));
        using var guard = no_grad();
        Assert.Equal(OneDnn.Available, OneDnn.Fits(zeros(500, 1000), trained));
    }

    [Fact]
    public void Generation_with_packed_weights_draws_what_a_pass_without_them_says_and_gives_them_back()
    {
        foreach (var type in new[] { ScalarType.Float32, ScalarType.BFloat16 })
        {
            using var scope = NewDisposeScope();
            using var decoder = new Decoder(Wide, CPU) { ComputeType = type };
            Initialization.Normal(decoder, 0.1, new Seeds(4).For("init"));
            var requests = Enumerable.Range(0, 5).Select(i => new GenerationRequest([.. Enumerable.Range(1, 6 + i).Select(t => (t * 37 + i) % 1200)], i)).ToArray();
            var answers = new BatchGenerator(decoder).Generate(requests, new SamplingSettings { MaxNewTokens = 9, Temperature = 1 }, new Seeds(5));
            foreach (var answer in answers)
            {
                var ids = answer.Request.Ids.Concat(answer.Tokens).ToArray();
                using var batch = TokenBatch.Pack([ids], CPU);
                using var guard = no_grad();
                var logp = nn.functional.log_softmax(decoder.Logits(decoder.Forward(batch)).to(ScalarType.Float64), -1);
                for (var t = 0; t < answer.Tokens.Count; t++)
                    Assert.Equal(logp[answer.Request.Ids.Count + t - 1, answer.Tokens[t]].item<double>(), answer.Logprobs[t], type == ScalarType.Float32 ? 1e-4 : 0.15);
            }

            // Weights that change after generation are read anew by the next one.
            Initialization.Normal(decoder, 0.1, new Seeds(6).For("init"));
            var again = new BatchGenerator(decoder).Generate(requests, new SamplingSettings { MaxNewTokens = 9, Temperature = 1 }, new Seeds(5));
            Assert.NotEqual(answers.SelectMany(a => a.Tokens), again.SelectMany(a => a.Tokens));
        }
    }

    [Fact]
    public void Two_leases_share_the_packed_weights_until_the_last_ends()
    {
        if (!OneDnn.Available) return;
        using var decoder = new Decoder(Wide, CPU);
        Initialization.Normal(decoder, 0.1, new Seeds(4).For("init"));
        var packed = new PackedWeights(decoder);
        Assert.Null(packed.Find(ParameterLayout.Embeddings));
        var first = packed.Lease(8);
        var second = packed.Lease(16);
        // The embeddings are the head here, and large enough; a norm is no matrix.
        Assert.NotNull(packed.Find(ParameterLayout.Embeddings));
        Assert.NotNull(packed.Find("model.layers.1.mlp.gate_up_proj.weight"));
        Assert.Null(packed.Find(ParameterLayout.FinalNorm));
        first.Dispose();
        first.Dispose();
        Assert.NotNull(packed.Find(ParameterLayout.Embeddings));
        second.Dispose();
        Assert.Null(packed.Find(ParameterLayout.Embeddings));
    }

    [Fact]
    public void The_exponential_of_bfloat16_is_exact_far_below_its_last_bit()
    {
        for (var at = -87f; at < 88; at += 0.0371f)
        {
            var found = BFloat16Element.Exp(System.Runtime.Intrinsics.Vector512.Create(at))[3];
            Assert.Equal(1, found / Math.Exp(at), 2e-6);
        }

        float Of(float x) => BFloat16Element.Exp(System.Runtime.Intrinsics.Vector512.Create(x))[0];
        Assert.Equal(0, Of(float.NegativeInfinity));
        Assert.Equal(0, Of(-88));
        Assert.Equal(1, Of(0));
        Assert.Equal(Math.Exp(88), Of(float.PositiveInfinity), Math.Exp(88) * 2e-6);
        Assert.True(float.IsNaN(Of(float.NaN)));
    }

    private static void Near(Tensor found, Tensor expected, double tolerance)
    {
        Assert.Equal(expected.shape, found.shape);
        var error = (found.to(ScalarType.Float64) - expected).abs().max().item<double>() / expected.abs().max().item<double>();
        Assert.True(error <= tolerance, $"{error:e2} of the largest");
    }
}
