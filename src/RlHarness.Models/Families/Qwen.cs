using RlHarness.Models.Decoders;

namespace RlHarness.Models.Families;

/// <summary>Qwen 2 and 2.5: biases on q, k, v; a sliding window only where <c>use_sliding_window</c> says so.</summary>
public sealed class Qwen2 : IDecoderFamily
{
    public string ModelType => "qwen2";

    public string Architecture => "Qwen2ForCausalLM";

    public string? GgufArchitecture => "qwen2";

    public FamilyDefaults Defaults { get; } =
        new()
        {
            VocabSize = 151936,
            IntermediateSize = 22016,
            NumKeyValueHeads = 32,
            MaxPositionEmbeddings = 32768,
            SlidingWindow = 4096,
            BosTokenId = null,
            EosTokenId = null,
        };

    public DecoderConfig Read(ConfigReader reader) => SlidingWindows.Read(reader, Defaults, reader.Common(Defaults) with { QkvBias = true });
}

/// <summary>Qwen 3: queries and keys normalised head by head.</summary>
internal sealed class Qwen3 : IDecoderFamily
{
    public string ModelType => "qwen3";

    public string Architecture => "Qwen3ForCausalLM";

    public string? GgufArchitecture => "qwen3";

    public FamilyDefaults Defaults { get; } =
        new()
        {
            VocabSize = 151936,
            IntermediateSize = 22016,
            NumKeyValueHeads = 32,
            HeadDim = 128,
            MaxPositionEmbeddings = 32768,
            SlidingWindow = 4096,
            BosTokenId = null,
            EosTokenId = null,
        };

    public DecoderConfig Read(ConfigReader reader)
    {
        var bias = reader.Bool("attention_bias", false);
        return SlidingWindows.Read(reader, Defaults, reader.Common(Defaults) with { QkvBias = bias, OutputBias = bias, QkNorm = QkNorm.PerHead });
    }
}
