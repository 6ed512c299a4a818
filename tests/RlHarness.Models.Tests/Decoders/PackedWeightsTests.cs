using RlHarness.Core.Randomness;
using RlHarness.Models.Decoders;
using RlHarness.Models.Generation;
using RlHarness.Models.Kernels;
using static TorchSharp.torch;

namespace RlHarness.Models.Tests.Decoders;

[Trait("kind", "arithmetic")]
public sealed class PackedWeightsTests
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
    public void Generation_with_packed_weights_draws_what_a_pass_without_them_says_and_gives_them_back()
    {
        foreach (var type in new[] { ScalarType.Float32, ScalarType.BFloat16 })
        {
            using var scope = NewDisposeScope();
            using var decoder = new Decoder(Wide, CPU) { ComputeType = type };
            Initialization.Normal(decoder, 0.1, new Seeds(4).For("init"));
            var requests = Enumerable
                .Range(0, 5)
                .Select(i => new GenerationRequest([.. Enumerable.Range(1, 6 + i).Select(t => (t * 37 + i) % 1200)], i))
                .ToArray();
            var answers = new BatchGenerator(decoder).Generate(requests, new SamplingSettings { MaxNewTokens = 9, Temperature = 1 }, new Seeds(5));
            foreach (var answer in answers)
            {
                var ids = answer.Request.Ids.Concat(answer.Tokens).ToArray();
                using var batch = TokenBatch.Pack([ids], CPU);
                using var guard = no_grad();
                var logp = nn.functional.log_softmax(decoder.Logits(decoder.Forward(batch)).to(ScalarType.Float64), -1);
                for (var t = 0; t < answer.Tokens.Count; t++)
                    Assert.Equal(
                        logp[answer.Request.Ids.Count + t - 1, answer.Tokens[t]].item<double>(),
                        answer.Logprobs[t],
                        type == ScalarType.Float32 ? 1e-4 : 0.15
                    );
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
        Kernels.Tiles.Require(ScalarType.Float32);
        using var decoder = new Decoder(Wide, CPU);
        Initialization.Normal(decoder, 0.1, new Seeds(4).For("init"));
        var packed = new PackedWeights(decoder);
        Assert.Null(packed.Find(ParameterLayout.Embeddings));
        var first = packed.Lease();
        var second = packed.Lease();
        // The embeddings are the head here; a norm is no matrix.
        Assert.NotNull(packed.Find(ParameterLayout.Embeddings));
        Assert.NotNull(packed.Find("model.layers.1.mlp.gate_up_proj.weight"));
        Assert.Null(packed.Find(ParameterLayout.FinalNorm));
        first.Dispose();
        first.Dispose();
        Assert.NotNull(packed.Find(ParameterLayout.Embeddings));
        second.Dispose();
        Assert.Null(packed.Find(ParameterLayout.Embeddings));
    }
}
