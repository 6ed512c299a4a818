using RlHarness.Models.Decoders;

namespace RlHarness.Models.Families;

/// <summary>Gemma 3 (text): norms on both sides with weights stored minus one, two ropes, scaled embeddings, sliding and full layers.</summary>
internal sealed class Gemma3 : IDecoderFamily
{
    public string ModelType => "gemma3_text";

    public string Architecture => "Gemma3ForCausalLM";

    public string SequenceClassification => "Gemma3TextForSequenceClassification";

    public FamilyDefaults Defaults { get; } =
        new()
        {
            VocabSize = 262208,
            HiddenSize = 2304,
            IntermediateSize = 9216,
            NumHiddenLayers = 26,
            NumAttentionHeads = 8,
            NumKeyValueHeads = 4,
            HeadDim = 256,
            MaxPositionEmbeddings = 131072,
            TieWordEmbeddings = true,
            RopeTheta = 1_000_000,
            LocalRopeTheta = 10_000,
            ActivationKey = "hidden_activation",
            Activation = "gelu_pytorch_tanh",
            SlidingWindow = 4096,
            BosTokenId = 2,
            EosTokenId = 1,
            PadTokenId = 0,
        };

    public DecoderConfig Read(ConfigReader reader)
    {
        var common = reader.Common(Defaults);
        var pattern = reader.OptionalInt("sliding_window_pattern") ?? reader.OptionalInt("_sliding_window_pattern") ?? 6;
        if (pattern < 1)
            throw reader.Bad("sliding_window_pattern is out of range", $"{pattern}", "1 or more");
        if (reader.Bool("use_bidirectional_attention", false))
            throw reader.Bad("use_bidirectional_attention is not supported", "true", "false or absent");
        var scalar = reader.Positive("query_pre_attn_scalar", 256);
        var sliding = SlidingWindows.Types(reader, common) ?? [.. Enumerable.Range(0, common.NumHiddenLayers).Select(i => (i + 1) % pattern != 0)];
        var bias = reader.Bool("attention_bias", false);
        return common with
        {
            QkvBias = bias,
            OutputBias = bias,
            NormPlacement = NormPlacement.Sandwich,
            NormAddsOne = true,
            QkNorm = QkNorm.PerHead,
            EmbeddingScale = Math.Sqrt(common.HiddenSize),
            AttentionScale = 1 / Math.Sqrt(scalar),
            SlidingWindow = SlidingWindows.Size(reader, reader.OptionalInt("sliding_window") ?? Defaults.SlidingWindow!.Value),
            SlidingLayers = sliding,
            Rope = reader.Rope(Defaults, "full_attention"),
            LocalRope = reader.Rope(Defaults, "sliding_attention"),
        };
    }
}
