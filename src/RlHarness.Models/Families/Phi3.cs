using RlHarness.Models.Decoders;

namespace RlHarness.Models.Families;

/// <summary>Phi-3: q, k, v and gate, up are one tensor each in its files.</summary>
internal sealed class Phi3 : IDecoderFamily
{
    public string ModelType => "phi3";

    public string Architecture => "Phi3ForCausalLM";

    public bool FusedOnDisk => true;

    public DecoderConfig Read(ConfigReader reader) => SlidingWindows.All(reader, reader.Common(eps: 1e-5));
}
