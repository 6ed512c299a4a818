using RlHarness.Models.Decoders;

namespace RlHarness.Models.Families;

/// <summary>OLMo 2: norms after attention and feed-forward, queries and keys normalised over their whole width.</summary>
internal sealed class Olmo2 : IDecoderFamily
{
    public string ModelType => "olmo2";

    public string Architecture => "Olmo2ForCausalLM";

    public DecoderConfig Read(ConfigReader reader)
    {
        var bias = reader.Bool("attention_bias", false);
        return reader.Common(eps: 1e-5) with { QkvBias = bias, OutputBias = bias, NormPlacement = NormPlacement.Post, QkNorm = QkNorm.FullWidth };
    }
}
