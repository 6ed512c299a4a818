using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using RlHarness.Core.Errors;
using RlHarness.Models.Decoders;
using RlHarness.Models.Kernels;

namespace RlHarness.Models.Families;

/// <summary>Reads a config.json of transformers 4 or 5 key by key, with errors that name the file and the key.</summary>
public sealed class ConfigReader(JsonObject json, string path)
{
    public JsonObject Json => json;

    public string Path => path;

    public bool Has(string key) => json[key] is not null;

    public int Int(string key) => OptionalInt(key) ?? throw Missing(key, "a whole number");

    public int? OptionalInt(string key) =>
        Number(json, key) is not { } n ? null
        : n == Math.Floor(n) && Math.Abs(n) <= int.MaxValue ? (int)n
        : throw Wrong(key, json[key]!, "a whole number");

    public double Double(string key, double fallback) => Number(json, key) ?? fallback;

    public bool Bool(string key, bool fallback) =>
        json[key] is not JsonValue v ? fallback
        : v.TryGetValue<bool>(out var b) ? b
        : throw Wrong(key, v, "true or false");

    public string? String(string key) => json[key] is JsonValue v && v.TryGetValue<string>(out var s) ? s : null;

    /// <summary>One id or a list of ids.</summary>
    public IReadOnlyList<int> Ids(string key) =>
        json[key] switch
        {
            JsonArray array => Items<int>(key, array, "one token id or a list of them"),
            JsonValue value => Items<int>(key, [value.DeepClone()], "one token id or a list of them"),
            _ => [],
        };

    public IReadOnlyList<string> Strings(string key) => json[key] is JsonArray array ? Items<string>(key, array, "a list of texts") : [];

    public IReadOnlyList<int> Ints(string key) => json[key] is JsonArray array ? Items<int>(key, array, "a list of whole numbers") : [];

    /// <summary>
    /// Rope settings from <c>rope_parameters</c> (transformers 5; by layer type where it is nested) or <c>rope_theta</c> and <c>rope_scaling</c>.
    /// </summary>
    public RopeSettings Rope(string? layerType = null, double defaultTheta = 10000, string thetaKey = "rope_theta")
    {
        var source = json["rope_parameters"] as JsonObject;
        if (source is not null && layerType is not null && source[layerType] is JsonObject nested)
            source = nested;
        var theta = source is null ? null : Number(source, "rope_theta");
        source ??= thetaKey == "rope_theta" ? json["rope_scaling"] as JsonObject : null;
        theta ??= Number(json, thetaKey) ?? defaultTheta;
        var partial = Number(json, "partial_rotary_factor") ?? 1;
        if (source is null)
            return new RopeSettings { RopeTheta = theta.Value, PartialRotaryFactor = partial };
        var kind = source["rope_type"] ?? source["type"];
        var type =
            kind is null ? "default"
            : kind is JsonValue text && text.TryGetValue<string>(out var named) ? named
            : kind.ToJsonString();
        if (type == "su")
            type = "longrope"; // its name in the first files
        if (type is not ("default" or "linear" or "dynamic" or "yarn" or "llama3" or "longrope"))
            throw HarnessException.BadFile(path, "rope type not supported", type, "default, linear, dynamic, yarn, llama3 or longrope");
        double Get(string key, double fallback) => Number(source, key) ?? fallback;
        var settings = new RopeSettings
        {
            RopeTheta = theta.Value,
            RopeType = type,
            Factor = Get("factor", 1),
            LowFreqFactor = Get("low_freq_factor", 1),
            HighFreqFactor = Get("high_freq_factor", 4),
            OriginalMaxPositionEmbeddings = (int)Get("original_max_position_embeddings", 0),
            BetaFast = Get("beta_fast", 32),
            BetaSlow = Get("beta_slow", 1),
            AttentionFactor = Number(source, "attention_factor"),
            MScale = Number(source, "mscale"),
            MScaleAllDim = Number(source, "mscale_all_dim"),
            PartialRotaryFactor = Get("partial_rotary_factor", partial),
        };
        return type == "longrope" ? Long(settings, source) : settings;
    }

    /// <summary>
    /// LongRoPE's tables; the trained length stands beside the table or, in Phi-3's files, in the configuration itself, and gives the factor.
    /// </summary>
    private RopeSettings Long(RopeSettings settings, JsonObject source)
    {
        var head = OptionalInt("head_dim") ?? Int("hidden_size") / Int("num_attention_heads");
        var pairs = (int)(head * settings.PartialRotaryFactor) / 2;
        IReadOnlyList<double> Table(string key)
        {
            var table = source[key] is JsonArray array
                ? Items<double>(key, array, "a list of numbers")
                : throw HarnessException.BadFile(path, $"no {key}", "absent", $"{pairs} numbers, one for each pair of rotated dimensions");
            return table.Count == pairs && table.All(f => f > 0)
                ? table
                : throw HarnessException.BadFile(
                    path,
                    $"{key} does not fit the heads",
                    $"{table.Count} numbers",
                    $"{pairs} positive ones, one for each pair of rotated dimensions"
                );
        }

        var original = OptionalInt("original_max_position_embeddings") ?? settings.OriginalMaxPositionEmbeddings;
        var longest = OptionalInt("max_position_embeddings") ?? original;
        return settings with
        {
            ShortFactor = Table("short_factor"),
            LongFactor = Table("long_factor"),
            OriginalMaxPositionEmbeddings = original,
            Factor = Number(source, "factor") ?? (original > 0 ? (double)longest / original : 1),
        };
    }

    /// <summary>What all families share.</summary>
    public DecoderConfig Common(double eps = 1e-6, bool tied = false)
    {
        var heads = Int("num_attention_heads");
        var hidden = Int("hidden_size");
        if (heads <= 0)
            throw Wrong("num_attention_heads", json["num_attention_heads"]!, "1 or more");
        var act = String("hidden_act") ?? String("hidden_activation") ?? "silu";
        if (act is not ("silu" or "swish" or "gelu_pytorch_tanh"))
            throw HarnessException.BadFile(path, "activation not supported", act, "silu or gelu_pytorch_tanh");
        foreach (var key in new[] { "attn_logit_softcapping", "final_logit_softcapping", "quantization_config" })
            if (Has(key))
                throw HarnessException.BadFile(path, $"{key} is not supported", json[key]!.ToJsonString(), "null or absent");
        return new DecoderConfig
        {
            ModelType = String("model_type") ?? throw Missing("model_type", "a family's name"),
            VocabSize = Int("vocab_size"),
            HiddenSize = hidden,
            IntermediateSize = Int("intermediate_size"),
            NumHiddenLayers = Int("num_hidden_layers"),
            NumAttentionHeads = heads,
            NumKeyValueHeads = OptionalInt("num_key_value_heads") ?? heads,
            HeadDim = OptionalInt("head_dim") ?? hidden / heads,
            RmsNormEps = Double("rms_norm_eps", eps),
            TieWordEmbeddings = Bool("tie_word_embeddings", tied),
            MaxPositionEmbeddings = OptionalInt("max_position_embeddings") ?? 2048,
            Rope = Rope(),
            Activation = act == "gelu_pytorch_tanh" ? Activation.GeluTanh : Activation.Silu,
            BosTokenId = OptionalInt("bos_token_id"),
            EosTokenIds = Ids("eos_token_id"),
            PadTokenId = OptionalInt("pad_token_id"),
        };
    }

    private List<T> Items<T>(string key, JsonArray array, string expected)
    {
        var items = new List<T>(array.Count);
        foreach (var item in array)
            items.Add(item is JsonValue value && value.TryGetValue<T>(out var read) ? read : throw Wrong(key, array, expected));
        return items;
    }

    private double? Number(JsonObject source, string key)
    {
        if (source[key] is not { } node)
            return null;
        if (node is JsonValue v && v.GetValueKind() == JsonValueKind.Number)
            return double.Parse(v.ToJsonString(), CultureInfo.InvariantCulture);
        throw Wrong(key, node, "a number");
    }

    private HarnessException Missing(string key, string expected) =>
        HarnessException.BadFile(path, $"no {key}", "absent", expected, "is this the config.json of a decoder model?");

    private HarnessException Wrong(string key, JsonNode found, string expected) =>
        HarnessException.BadFile(path, $"{key} has the wrong type", found.ToJsonString(), expected);
}
