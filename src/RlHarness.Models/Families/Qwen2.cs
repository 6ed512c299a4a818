using RlHarness.Models.Decoders;

namespace RlHarness.Models.Families;

/// <summary>Qwen 2 and 2.5: biases on q, k, v; a sliding window only where <c>use_sliding_window</c> says so.</summary>
public sealed class Qwen2 : IDecoderFamily
{
    public string ModelType => "qwen2";

    public string Architecture => "Qwen2ForCausalLM";

    public string? GgufArchitecture => "qwen2";

    public FamilyDefaults Defaults { get; } = new()
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
