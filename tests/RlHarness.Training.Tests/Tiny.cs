using RlHarness.Core.Randomness;
using RlHarness.Formats.Tokenizers;
using RlHarness.Models.Decoders;
using RlHarness.Models.Loading;
using RlHarness.Training.Batching;
using RlHarness.Training.Ppo;
using TorchSharp;
using static TorchSharp.torch;

namespace RlHarness.Training.Tests;

/// <summary>Small models and data, drawn from named streams: the same in every run.</summary>
internal static class Tiny
{
    internal const int Vocabulary = 24;
    internal const int Hidden = 16;

    internal static Decoder Decoder(bool tied = true, bool requiresGrad = false, bool withHead = true, string seed = "weights", double deviation = 0.3)
    {
        var decoder = new Decoder(
            new DecoderConfig
            {
                ModelType = "llama",
                VocabSize = Vocabulary,
                HiddenSize = Hidden,
                IntermediateSize = 24,
                NumHiddenLayers = 2,
                NumAttentionHeads = 2,
                NumKeyValueHeads = 1,
                HeadDim = 8,
                TieWordEmbeddings = tied,
                MaxPositionEmbeddings = 64,
                Rope = new RopeSettings { RopeTheta = 10000 },
            },
            CPU,
            withHead,
            requiresGrad
        );
        Initialization.Normal(decoder, deviation, new Seeds(1).For(seed));
        return decoder;
    }

    internal static Decoder LoraDecoder()
    {
        var decoder = Decoder();
        decoder.Adapters = LoraFolder.Create(decoder, ["all-linear"], 4, 8, new Seeds(1).For("adapter"));
        return decoder;
    }

    internal static Tokenizer Tokenizer() =>
        BpeTrainer.Train(["the cat sat on the mat"], 270, ["<|end|>"], chatTemplate: null, eosToken: "<|end|>", padToken: "<|end|>");

    internal static ScalarHead Head() => new(Hidden, CPU, new Seeds(1).For("head"));

    internal static Critic BodyCritic() => new(Head(), Decoder(requiresGrad: true, withHead: false, seed: "critic"));

    internal static Tensor Gaussian(string name, params long[] shape)
    {
        var random = new Seeds(2).For(name);
        return tensor(Enumerable.Range(0, (int)shape.Aggregate(1L, (a, b) => a * b)).Select(_ => (float)random.NextGaussian()).ToArray(), shape);
    }

    internal static int[] Ids(RandomStream random, int count) => [.. Enumerable.Range(0, count).Select(_ => random.NextInt(Vocabulary))];

    /// <summary>Sequences of 4 to 14 tokens; those from the third on are scored.</summary>
    internal static ScoredSequence[] Sequences(int count, string name = "sequences")
    {
        var random = new Seeds(3).For(name);
        return [.. Enumerable.Range(0, count).Select(_ => ScoredSequence.Response(Ids(random, 3), Ids(random, 1 + random.NextInt(11))))];
    }

    /// <summary>Prompts of 1 to 6 tokens, responses of 1 to 9, scores around 0.</summary>
    internal static Episode[] Episodes(int count)
    {
        var random = new Seeds(4).For("episodes");
        return
        [
            .. Enumerable
                .Range(0, count)
                .Select(_ => new Episode(Ids(random, 1 + random.NextInt(6)), Ids(random, 1 + random.NextInt(9)), random.NextGaussian())),
        ];
    }

    internal static double Largest(Tensor difference) => difference.detach().abs().max().to(ScalarType.Float64).item<double>();

    /// <summary>|a − b| / |b|, by Euclidean norm.</summary>
    internal static double RelativeError(Tensor got, Tensor want) =>
        (got.detach().to(ScalarType.Float64) - want.to(ScalarType.Float64)).norm().item<double>() / want.to(ScalarType.Float64).norm().item<double>();

    internal static long LiveTensors() => DisposeScopeManager.Statistics.ThreadTotalLiveCount;
}
