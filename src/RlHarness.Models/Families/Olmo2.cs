using RlHarness.Models.Decoders;

namespace RlHarness.Models.Families;

/// <summary>OLMo 2: norms after attention and feed-forward, queries and keys normalised over their whole width.</summary>
internal sealed class Olmo2 : IDecoderFamily
{
    public string ModelType => "olmo2";

    public string Architecture => "Olmo2ForCausalLM";

    public FamilyDefaults Defaults { get; } =
        new()
        {
            VocabSize = 50304,
            RmsNormEps = 1e-5,
            BosTokenId = null,
            EosTokenId = 50279,
            PadTokenId = 1,
        };

    public DecoderConfig Read(ConfigReader reader)
    {
        var bias = reader.Bool("attention_bias", false);
        return reader.Common(Defaults) with { QkvBias = bias, OutputBias = bias, NormPlacement = NormPlacement.Post, QkNorm = QkNorm.FullWidth };
    }
}
