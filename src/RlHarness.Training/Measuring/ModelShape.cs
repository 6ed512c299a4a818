using RlHarness.Models.Decoders;

namespace RlHarness.Training.Measuring;

/// <summary>A model's shape, to be filled with random weights and timed: speed depends on the shape, not on what the weights hold.</summary>
public sealed record ModelShape(string Name, DecoderConfig Config)
{
    /// <summary>Four layers of width 128, as in configs/quickstart.yaml.</summary>
    public static ModelShape Tiny { get; } = new("1 M", Llama(4, 128, 344, 4, 2, 1536));

    /// <summary>As SmolLM2-135M.</summary>
    public static ModelShape Small { get; } = new("135 M", Llama(30, 576, 1536, 9, 3, 49152));

    /// <summary>As Llama 3.2 1B.</summary>
    public static ModelShape Billion { get; } = new("1 B", Llama(16, 2048, 8192, 32, 8, 128256));

    public double Parameters => new ParameterLayout(Config).Parameters.Sum(p => (double)p.Count);

    /// <summary>Operations of a forward pass: two operations for each weight of a product; the embeddings are one by way of the tied head.</summary>
    public double FlopsPerToken => 2 * new ParameterLayout(Config).Parameters.Where(p => p.Decays).Sum(p => (double)p.Count);

    public static DecoderConfig Llama(int layers, int hidden, int intermediate, int heads, int keyValueHeads, int vocabulary) =>
        new()
        {
            ModelType = "llama",
            VocabSize = vocabulary,
            HiddenSize = hidden,
            IntermediateSize = intermediate,
            NumHiddenLayers = layers,
            NumAttentionHeads = heads,
            NumKeyValueHeads = keyValueHeads,
            HeadDim = hidden / heads,
            TieWordEmbeddings = true,
            MaxPositionEmbeddings = 2048,
            Rope = new() { RopeTheta = 10000 },
        };
}
