using RlHarness.Models.Decoders;

namespace RlHarness.Models.Families;

/// <summary>Mistral: Llama, with a sliding window in every layer where <c>sliding_window</c> is set.</summary>
internal sealed class Mistral : IDecoderFamily
{
    public string ModelType => "mistral";

    public string Architecture => "MistralForCausalLM";

    public FamilyDefaults Defaults { get; } = new()
    {
        IntermediateSize = 14336,
        NumKeyValueHeads = 8,
        MaxPositionEmbeddings = 131072,
        SlidingWindow = 4096,
    };

    public DecoderConfig Read(ConfigReader reader) => SlidingWindows.All(reader, Defaults, reader.Common(Defaults));
}
