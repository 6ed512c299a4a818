using RlHarness.Models.Decoders;

namespace RlHarness.Models.Families;

/// <summary>Phi-3: q, k, v and gate, up are one tensor each in its files.</summary>
internal sealed class Phi3 : IDecoderFamily
{
    public string ModelType => "phi3";

    public string Architecture => "Phi3ForCausalLM";

    public bool FusedOnDisk => true;

    public FamilyDefaults Defaults { get; } =
        new()
        {
            VocabSize = 32064,
            HiddenSize = 3072,
            IntermediateSize = 8192,
            MaxPositionEmbeddings = 4096,
            OriginalMaxPositionEmbeddings = 4096,
            RmsNormEps = 1e-5,
            RotatesInPart = true,
            EosTokenId = 32000,
            PadTokenId = 32000,
        };

    public DecoderConfig Read(ConfigReader reader) => SlidingWindows.All(reader, Defaults, reader.Common(Defaults));
}
