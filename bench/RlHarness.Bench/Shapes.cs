using System.Diagnostics;
using RlHarness.Core.Randomness;
using RlHarness.Models.Decoders;
using RlHarness.Models.Generation;
using RlHarness.Training.Batching;
using RlHarness.Training.Supervised;
using static TorchSharp.torch;

namespace RlHarness.Bench;

/// <summary>A model's shape with random weights, and what is measured of it.</summary>
internal sealed record Shapes(string Name, DecoderConfig Config, int Length, int Sequences, int MicroBatchTokens, int[] DecodeBatches, int NewTokens)
{
    internal static IEnumerable<Shapes> Of(string name)
    {
        if (name is "tiny" or "all") yield return new("1 M", Llama(4, 128, 344, 4, 2, 1536), 160, 32, 4096, [1, 32, 128], 60);
        if (name is "smollm2" or "all") yield return new("SmolLM2-135M", Llama(30, 576, 1536, 9, 3, 49152), 256, 8, 512, [1, 32], 32);
        if (name is "1b") yield return new("1 B", Llama(16, 2048, 8192, 32, 8, 128256), 256, 8, 2048, [1, 32, 128], 64);
    }

    internal static DecoderConfig Llama(int layers, int hidden, int intermediate, int heads, int kv, int vocabulary) => new()
    {
        ModelType = "llama", VocabSize = vocabulary, HiddenSize = hidden, IntermediateSize = intermediate, NumHiddenLayers = layers, NumAttentionHeads = heads,
        NumKeyValueHeads = kv, HeadDim = hidden / heads, TieWordEmbeddings = true, MaxPositionEmbeddings = 2048, Rope = new() { RopeTheta = 10000 },
    };

    internal double Parameters => new ParameterLayout(Config).Parameters.Sum(p => (double)p.Count);

    /// <summary>Two operations for each weight of a product; the embeddings are one by way of the tied head.</summary>
    internal double FlopsPerToken => 2 * new ParameterLayout(Config).Parameters.Where(p => p.Decays).Sum(p => (double)p.Count);

    internal void Update(ScalarType type, Device device, double peak)
    {
        using var decoder = new Decoder(Config, device, requiresGrad: true) { ComputeType = type };
        Initialization.Normal(decoder, 0.02, new Seeds(1).For("init"));
        var random = new Seeds(2).For("tokens");
        var batch = Enumerable.Range(0, Sequences).Select(_ => new ScoredSequence([.. Enumerable.Range(0, Length).Select(_ => random.NextInt(Config.VocabSize))], [.. Enumerable.Range(1, Length - 1)])).ToArray();
        using var trainer = new SupervisedTrainer(decoder, new() { LearningRate = 1e-5 }, MicroBatchTokens);
        trainer.Step(batch, 1e-5);
        var best = double.MaxValue;
        var before = GC.GetTotalAllocatedBytes();
        var runs = Name == "1 M" ? 8 : 3;
        for (var i = 0; i < runs; i++)
        {
            var watch = Stopwatch.StartNew();
            trainer.Step(batch, 1e-5);
            best = Math.Min(best, watch.Elapsed.TotalSeconds);
        }

        var tokens = Sequences * Length;
        var rate = tokens / best;
        Console.WriteLine($"  update {Sequences} x {Length}: {rate:f0} tokens/s, {100 * rate * 3 * FlopsPerToken / peak:f0} % of the matrix product, {(GC.GetTotalAllocatedBytes() - before) / (double)(runs * tokens):f0} managed bytes a token");
    }

    internal void Decode(ScalarType type, Device device, double peak)
    {
        using var decoder = new Decoder(Config, device) { ComputeType = type };
        Initialization.Normal(decoder, 0.02, new Seeds(1).For("init"));
        var generator = new BatchGenerator(decoder);
        foreach (var size in DecodeBatches)
        {
            var requests = Enumerable.Range(0, size).Select(i => new GenerationRequest([.. Enumerable.Range(0, 100).Select(t => (t * 7 + i) % Config.VocabSize)], i)).ToArray();
            var settings = new SamplingSettings { MaxNewTokens = 1, BatchSize = size };
            double Time(int tokens)
            {
                var watch = Stopwatch.StartNew();
                generator.Generate(requests, settings with { MaxNewTokens = tokens }, new Seeds(3));
                return watch.Elapsed.TotalSeconds;
            }

            Time(2);
            var prefill = Time(1);
            var total = Math.Min(Time(NewTokens + 1), Time(NewTokens + 1));
            var rate = size * NewTokens / Math.Max(1e-9, total - prefill);
            Console.WriteLine($"  decode, batch {size}: {rate:f0} tokens/s, {100 * rate * FlopsPerToken / peak:f0} % of the matrix product; prefill {size * 100 / prefill:f0} tokens/s");
        }
    }
}
