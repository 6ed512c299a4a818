using RlHarness.Models.Decoders;
using RlHarness.Models.Kernels;

namespace RlHarness.Models.Families;

/// <summary>Gemma 3 (text): norms on both sides with weights stored minus one, two ropes, scaled embeddings, sliding and full layers.</summary>
internal sealed class Gemma3 : IDecoderFamily
{
    public string ModelType => "gemma3_text";

    public string Architecture => "Gemma3ForCausalLM";

    public string SequenceClassification => "Gemma3TextForSequenceClassification";

    public DecoderConfig Read(ConfigReader reader)
    {
        var common = reader.Common(tied: true);
        var pattern = reader.OptionalInt("sliding_window_pattern") ?? reader.OptionalInt("_sliding_window_pattern") ?? 6;
        var sliding = SlidingWindows.Types(reader) ?? [.. Enumerable.Range(0, common.NumHiddenLayers).Select(i => (i + 1) % pattern != 0)];
        return common with
        {
            Activation = Activation.GeluTanh,
            NormPlacement = NormPlacement.Sandwich,
            NormAddsOne = true,
            QkNorm = QkNorm.PerHead,
            EmbeddingScale = Math.Sqrt(common.HiddenSize),
            AttentionScale = 1 / Math.Sqrt(reader.Double("query_pre_attn_scalar", 256)),
            SlidingWindow = reader.OptionalInt("sliding_window") ?? 4096,
            SlidingLayers = sliding,
            Rope = reader.Rope("full_attention", defaultTheta: 1_000_000),
            LocalRope = reader.Has("rope_parameters") ? reader.Rope("sliding_attention") : reader.Rope(thetaKey: "rope_local_base_freq"),
        };
    }
}
