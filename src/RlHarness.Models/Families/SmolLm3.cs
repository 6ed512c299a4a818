using RlHarness.Models.Decoders;

namespace RlHarness.Models.Families;

/// <summary>SmolLM3: Llama, with layers that have no rotary positions (<c>no_rope_layers</c>: 1 = has them).</summary>
internal sealed class SmolLm3 : IDecoderFamily
{
    public string ModelType => "smollm3";

    public string Architecture => "SmolLM3ForCausalLM";

    public FamilyDefaults Defaults { get; } =
        new()
        {
            VocabSize = 128256,
            HiddenSize = 2048,
            NumHiddenLayers = 36,
            NumAttentionHeads = 16,
            NumKeyValueHeads = 4,
            MaxPositionEmbeddings = 32768,
            TieWordEmbeddings = true,
            RopeTheta = 2_000_000,
            BosTokenId = 128000,
            EosTokenId = 128001,
            PadTokenId = 128004,
        };

    public DecoderConfig Read(ConfigReader reader)
    {
        var common = reader.Common(Defaults);
        var bias = reader.Bool("attention_bias", false);
        var given = reader.Ints("no_rope_layers");
        if (given.Count > 0 && given.Count < common.NumHiddenLayers)
            throw reader.Bad("no_rope_layers is too short", $"{given.Count} layers", $"one number for each of num_hidden_layers {common.NumHiddenLayers}");
        var interval = reader.OptionalInt("no_rope_layer_interval") ?? 4;
        if (given.Count == 0 && interval < 1)
            throw reader.Bad("no_rope_layer_interval is out of range", $"{interval}", "1 or more");
        bool[] rotary = [.. Enumerable.Range(0, common.NumHiddenLayers).Select(i => given.Count > 0 ? given[i] != 0 : (i + 1) % interval != 0)];
        common = common with { QkvBias = bias, OutputBias = bias, MlpBias = reader.Bool("mlp_bias", false), RotaryLayers = rotary };
        // Where a window is in use, the layers without rope have it.
        if (!reader.Bool("use_sliding_window", false) || reader.OptionalInt("sliding_window") is not { } window)
            return common;
        return common with
        {
            SlidingWindow = SlidingWindows.Size(reader, window),
            SlidingLayers = SlidingWindows.Types(reader, common) ?? [.. rotary.Select(r => !r)],
        };
    }
}
