using RlHarness.Models.Decoders;

namespace RlHarness.Models.Families;

/// <summary>Qwen 3: queries and keys normalised head by head.</summary>
internal sealed class Qwen3 : IDecoderFamily
{
    public string ModelType => "qwen3";

    public string Architecture => "Qwen3ForCausalLM";

    public string? GgufArchitecture => "qwen3";

    public DecoderConfig Read(ConfigReader reader)
    {
        var bias = reader.Bool("attention_bias", false);
        return SlidingWindows.Read(
            reader,
            reader.Common() with
            {
                QkvBias = bias,
                OutputBias = bias,
                QkNorm = QkNorm.PerHead,
                HeadDim = reader.OptionalInt("head_dim") ?? 128,
            }
        );
    }
}
