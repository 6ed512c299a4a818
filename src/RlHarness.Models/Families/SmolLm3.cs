using RlHarness.Models.Decoders;

namespace RlHarness.Models.Families;

/// <summary>SmolLM3: Llama, with layers that have no rotary positions (<c>no_rope_layers</c>: 1 = has them).</summary>
internal sealed class SmolLm3 : IDecoderFamily
{
    public string ModelType => "smollm3";

    public string Architecture => "SmolLM3ForCausalLM";

    public DecoderConfig Read(ConfigReader reader)
    {
        var common = reader.Common();
        var bias = reader.Bool("attention_bias", false);
        var interval = reader.OptionalInt("no_rope_layer_interval") ?? 4;
        var given = reader.Ints("no_rope_layers");
        var rotary =
            given.Count > 0 ? [.. given.Select(x => x != 0)] : Enumerable.Range(0, common.NumHiddenLayers).Select(i => (i + 1) % interval != 0).ToArray();
        return common with { QkvBias = bias, OutputBias = bias, MlpBias = reader.Bool("mlp_bias", false), RotaryLayers = rotary };
    }
}
