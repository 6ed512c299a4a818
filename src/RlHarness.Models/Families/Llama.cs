using System.Text.Json.Nodes;
using RlHarness.Models.Decoders;

namespace RlHarness.Models.Families;

/// <summary>Llama 1–3.x, SmolLM, SmolLM2: the common decoder.</summary>
public sealed class Llama : IDecoderFamily
{
    public string ModelType => "llama";

    public string Architecture => "LlamaForCausalLM";

    public string? GgufArchitecture => "llama";

    public bool GgufInterleavesRotary => true;

    public FamilyDefaults Defaults { get; } = new();

    public DecoderConfig Read(ConfigReader reader)
    {
        var bias = reader.Bool("attention_bias", false);
        return reader.Common(Defaults) with { QkvBias = bias, OutputBias = bias, MlpBias = reader.Bool("mlp_bias", false) };
    }

    public void Write(DecoderConfig config, JsonObject json)
    {
        json["attention_bias"] = config.QkvBias;
        json["mlp_bias"] = config.MlpBias;
    }
}

/// <summary>Mistral: Llama, with a sliding window in every layer where <c>sliding_window</c> is set.</summary>
internal sealed class Mistral : IDecoderFamily
{
    public string ModelType => "mistral";

    public string Architecture => "MistralForCausalLM";

    public FamilyDefaults Defaults { get; } =
        new()
        {
            IntermediateSize = 14336,
            NumKeyValueHeads = 8,
            MaxPositionEmbeddings = 131072,
            SlidingWindow = 4096,
        };

    public DecoderConfig Read(ConfigReader reader) => SlidingWindows.All(reader, Defaults, reader.Common(Defaults));
}
