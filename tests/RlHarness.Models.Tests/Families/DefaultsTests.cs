using System.Text.Json.Nodes;
using RlHarness.Core.Errors;
using RlHarness.Models.Decoders;
using RlHarness.Models.Families;
using RlHarness.Models.Kernels;

namespace RlHarness.Models.Tests.Families;

/// <summary>What a config.json leaves out, and what it says in two ways.</summary>
[Trait("kind", "contract")]
public sealed class DefaultsTests
{
    /// <summary>The values are those of the families' configuration classes in transformers 5 (src/transformers/models/*/configuration_*.py).</summary>
    [Theory]
    [InlineData("llama", 32000, 4096, 11008, 32, 32, 32, 128, 2048, 1e-6, false, 10000, null, 1, 2, null)]
    [InlineData("smollm3", 128256, 2048, 11008, 36, 16, 4, 128, 32768, 1e-6, true, 2e6, null, 128000, 128001, 128004)]
    [InlineData("qwen2", 151936, 4096, 22016, 32, 32, 32, 128, 32768, 1e-6, false, 10000, null, null, null, null)]
    [InlineData("qwen3", 151936, 4096, 22016, 32, 32, 32, 128, 32768, 1e-6, false, 10000, null, null, null, null)]
    [InlineData("mistral", 32000, 4096, 14336, 32, 32, 8, 128, 131072, 1e-6, false, 10000, 4096, 1, 2, null)]
    [InlineData("olmo2", 50304, 4096, 11008, 32, 32, 32, 128, 2048, 1e-5, false, 10000, null, null, 50279, 1)]
    [InlineData("phi3", 32064, 3072, 8192, 32, 32, 32, 96, 4096, 1e-5, false, 10000, null, 1, 32000, 32000)]
    [InlineData("gemma3_text", 262208, 2304, 9216, 26, 8, 4, 256, 131072, 1e-6, true, 1e6, 4096, 2, 1, 0)]
    public void A_key_that_is_absent_has_the_value_of_transformers_configuration_class(
        string family,
        int vocabulary,
        int hidden,
        int intermediate,
        int layers,
        int heads,
        int keyValueHeads,
        int headDim,
        int positions,
        double eps,
        bool tied,
        double theta,
        int? window,
        int? bos,
        int? eos,
        int? pad
    )
    {
        var c = Read(new JsonObject { ["model_type"] = family });
        Assert.Equal(
            (vocabulary, hidden, intermediate, layers, heads, keyValueHeads, headDim, positions),
            (c.VocabSize, c.HiddenSize, c.IntermediateSize, c.NumHiddenLayers, c.NumAttentionHeads, c.NumKeyValueHeads, c.HeadDim, c.MaxPositionEmbeddings)
        );
        Assert.Equal((eps, tied, theta, window), (c.RmsNormEps, c.TieWordEmbeddings, c.Rope.RopeTheta, c.SlidingWindow));
        Assert.Equal((bos, pad), (c.BosTokenId, c.PadTokenId));
        Assert.Equal(eos is { } end ? [end] : [], c.EosTokenIds);
        Assert.Equal(family == "gemma3_text" ? Activation.GeluTanh : Activation.Silu, c.Activation);
        Assert.Equal((family == "qwen2", false, false), (c.QkvBias, c.OutputBias, c.MlpBias));
    }

    [Fact]
    public void SmolLM3_leaves_rope_out_of_every_fourth_layer() =>
        Assert.Equal([true, true, true, false], Read(new JsonObject { ["model_type"] = "smollm3" }).RotaryLayers.Take(4));

    [Fact]
    public void Gemma3_has_five_sliding_layers_to_one_full_one_and_two_ropes()
    {
        var c = Read(new JsonObject { ["model_type"] = "gemma3_text" });
        Assert.Equal([true, true, true, true, true, false, true], c.SlidingLayers.Take(7));
        Assert.Equal((1e6, 1e4), (c.Rope.RopeTheta, c.LocalRope!.RopeTheta));
        Assert.Equal(1 / 16.0, c.AttentionScale);
    }

    [Fact]
    public void Qwen_slides_from_its_28th_layer_on_where_a_window_is_in_use()
    {
        var c = Read(new JsonObject { ["model_type"] = "qwen2", ["use_sliding_window"] = true });
        Assert.Equal((4096, false, true), (c.SlidingWindow, c.IsSliding(27), c.IsSliding(28)));
    }

    [Fact]
    public void SmolLM3_slides_in_its_layers_without_rope_where_a_window_is_in_use()
    {
        var c = Read(
            new JsonObject
            {
                ["model_type"] = "smollm3",
                ["use_sliding_window"] = true,
                ["sliding_window"] = 8,
            }
        );
        Assert.Equal((8, false, true), (c.SlidingWindow, c.IsSliding(2), c.IsSliding(3)));
    }

    [Fact]
    public void Null_is_not_the_same_as_absent()
    {
        var c = Read(
            new JsonObject
            {
                ["model_type"] = "mistral",
                ["sliding_window"] = null,
                ["num_key_value_heads"] = null,
                ["eos_token_id"] = null,
            }
        );
        Assert.Null(c.SlidingWindow);
        Assert.Equal(32, c.NumKeyValueHeads);
        Assert.Empty(c.EosTokenIds);
    }

    [Fact]
    public void A_small_vocabulary_has_no_default_id_beyond_it() =>
        Assert.Empty(Read(new JsonObject { ["model_type"] = "smollm3", ["vocab_size"] = 300 }).EosTokenIds);

    [Theory]
    // As transformers: rope_scaling whole, theta from the top, then the family's.
    [InlineData("""{"rope_parameters":{"rope_theta":5e5,"rope_type":"default"},"rope_scaling":{"rope_type":"linear","factor":4}}""", "linear", 10000)]
    [InlineData("""{"rope_parameters":{"rope_theta":5e5},"rope_theta":7e5,"rope_scaling":{"rope_type":"linear","factor":4}}""", "linear", 7e5)]
    [InlineData("""{"rope_parameters":{"rope_theta":5e5},"rope_scaling":{"rope_type":"linear","factor":4,"rope_theta":9e5}}""", "linear", 9e5)]
    [InlineData("""{"rope_parameters":{"rope_theta":5e5},"rope_scaling":{}}""", "default", 5e5)]
    [InlineData("""{"rope_parameters":{"rope_theta":5e5},"rope_scaling":null}""", "default", 5e5)]
    public void Rope_scaling_beside_rope_parameters_is_taken_whole(string text, string type, double theta)
    {
        var json = Json(text, "llama");
        var reader = new ConfigReader(json, "config.json");
        var c = DecoderFamilies.Find("llama")!.Read(reader);
        Assert.Equal((type, theta), (c.Rope.RopeType, c.Rope.RopeTheta));
        Assert.Equal(type == "linear", reader.Warnings.Any(w => w.Contains("rope_scaling and rope_parameters", StringComparison.Ordinal)));
    }

    [Theory]
    [InlineData("llama", """{"rope_scaling":{"rope_type":"linear"}}""", "factor")]
    [InlineData("llama", """{"rope_scaling":{"rope_type":"dynamic"}}""", "factor")]
    [InlineData("llama", """{"rope_scaling":{"rope_type":"yarn"}}""", "factor")]
    [InlineData("llama", """{"rope_scaling":{"rope_type":"llama3","factor":8,"low_freq_factor":1}}""", "high_freq_factor")]
    [InlineData("llama", """{"rope_scaling":{"rope_type":"llama3","factor":8,"low_freq_factor":4,"high_freq_factor":4}}""", "high_freq_factor")]
    [InlineData("llama", """{"rope_scaling":{"rope_type":"linear","factor":0}}""", "factor")]
    [InlineData("llama", """{"rope_scaling":{"rope_type":"linear","factor":-2}}""", "factor")]
    [InlineData("llama", """{"rope_scaling":{"rope_type":"linear","factor":1e999}}""", "factor")]
    [InlineData("llama", """{"rope_scaling":{"rope_type":"yarn","factor":4,"truncate":"no"}}""", "truncate")]
    [InlineData("llama", """{"rope_scaling":[]}""", "rope_scaling")]
    [InlineData("llama", """{"rope_theta":0}""", "rope_theta")]
    [InlineData("llama", """{"rope_theta":-1}""", "rope_theta")]
    [InlineData("llama", """{"rms_norm_eps":0}""", "rms_norm_eps")]
    [InlineData("llama", """{"rms_norm_eps":-1e-6}""", "rms_norm_eps")]
    [InlineData("llama", """{"num_hidden_layers":1000000}""", "num_hidden_layers")]
    [InlineData("llama", """{"num_hidden_layers":-1}""", "num_hidden_layers")]
    [InlineData("llama", """{"max_position_embeddings":0}""", "max_position_embeddings")]
    [InlineData("llama", """{"eos_token_id":32000}""", "eos_token_id")]
    [InlineData("llama", """{"eos_token_id":[1,-2]}""", "eos_token_id")]
    [InlineData("llama", """{"partial_rotary_factor":0.5}""", "partial_rotary_factor")]
    [InlineData("phi3", """{"partial_rotary_factor":0.5,"rope_parameters":{"partial_rotary_factor":0.75}}""", "partial_rotary_factor")]
    [InlineData("mistral", """{"sliding_window":0}""", "sliding_window")]
    [InlineData("qwen2", """{"layer_types":["sliding_attention","full_attention"],"num_hidden_layers":2}""", "layer_types and use_sliding_window")]
    [InlineData("qwen2", """{"layer_types":["full_attention"],"num_hidden_layers":2}""", "num_hidden_layers")]
    [InlineData("gemma3_text", """{"layer_types":["chunked_attention"],"num_hidden_layers":1}""", "chunked_attention")]
    [InlineData("gemma3_text", """{"sliding_window_pattern":0}""", "sliding_window_pattern")]
    [InlineData("gemma3_text", """{"use_bidirectional_attention":true}""", "use_bidirectional_attention")]
    [InlineData("smollm3", """{"no_rope_layers":[1,0]}""", "no_rope_layers")]
    [InlineData("smollm3", """{"no_rope_layer_interval":0}""", "no_rope_layer_interval")]
    public void A_value_that_no_model_has_is_refused_by_its_key(string family, string text, string says)
    {
        var error = Assert.Throws<HarnessException>(() => Read(Json(text, family)));
        Assert.Equal(ErrorKind.BadFile, error.Kind);
        Assert.Contains(says, error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Each_key_of_YaRN_is_honoured()
    {
        const string Text = """
            {"max_position_embeddings":512,"rope_scaling":{"rope_type":"yarn","factor":4,"beta_fast":16,
             "beta_slow":2,"truncate":false,"mscale":0.7,"mscale_all_dim":0.5}}
            """;
        var rope = Read(Json(Text, "llama")).Rope;
        Assert.Equal((4.0, 16.0, 2.0, false), (rope.Factor, rope.BetaFast, rope.BetaSlow, rope.Truncate));
        Assert.Equal((0.7, 0.5, 512), (rope.MScale, rope.MScaleAllDim, rope.OriginalMaxPositionEmbeddings));
    }

    [Fact]
    public void The_trained_length_of_the_configuration_counts_before_that_of_the_rope()
    {
        const string Text = """{"original_max_position_embeddings":64,"rope_scaling":{"rope_type":"yarn","factor":4,"original_max_position_embeddings":128}}""";
        var reader = new ConfigReader(Json(Text, "llama"), "config.json");
        Assert.Equal(64, DecoderFamilies.Find("llama")!.Read(reader).Rope.OriginalMaxPositionEmbeddings);
        Assert.Contains("64 counts", Assert.Single(reader.Warnings), StringComparison.Ordinal);
    }

    [Fact]
    public void A_ramp_that_is_not_truncated_begins_between_two_dimensions()
    {
        // By hand: dim 8, base 10000, trained length 4096, β 32 and 1: d(r) = 8 ln(4096 / 2πr) / (2 ln 10000): 1.3090 and 2.8142.
        var settings = new RopeSettings
        {
            RopeTheta = 10000,
            RopeType = "yarn",
            Factor = 4,
            OriginalMaxPositionEmbeddings = 4096,
            Truncate = false,
        };
        using var table = new RotaryTable(settings, 8, 16384);
        var inverse = table.InverseFrequencies(0).Inverse;
        var ramp = (2 - 1.30903) / (2.81418 - 1.30903);
        Assert.Equal(0.1, inverse[1], 1e-6);
        Assert.Equal(0.01 / 4 * ramp + 0.01 * (1 - ramp), inverse[2], 1e-6);
        Assert.Equal(0.001 / 4, inverse[3], 1e-8);
    }

    private static JsonObject Json(string text, string family)
    {
        var json = JsonNode.Parse(text)!.AsObject();
        json["model_type"] = family;
        return json;
    }

    private static DecoderConfig Read(JsonObject json) =>
        DecoderFamilies.Find(json["model_type"]!.GetValue<string>())!.Read(new ConfigReader(json, "config.json"));
}
