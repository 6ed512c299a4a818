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
    // Ten times what the largest published models have: beyond these a number is a mistake, and arrays of that size must not be made.
    private const int MostLayers = 10_000,
        MostHeads = 100_000,
        Widest = 10_000_000;

    private readonly List<string> _warnings = [];

    public JsonObject Json => json;

    public string Path => path;

    /// <summary>What the file says in two ways, and which of them counts.</summary>
    public IReadOnlyList<string> Warnings => _warnings;

    public void Warn(string text) => _warnings.Add($"{path}: {text}");

    public bool Has(string key) => json[key] is not null;

    /// <summary>Whether the key is present, even as <c>null</c>, which is not the same as leaving it out.</summary>
    public bool States(string key) => json.ContainsKey(key);

    public int Int(string key, int absent) => OptionalInt(key) ?? absent;

    public int? OptionalInt(string key) =>
        Number(json, key) is not { } n ? null
        : n == Math.Floor(n) && Math.Abs(n) <= int.MaxValue ? (int)n
        : throw Wrong(key, json[key]!, "a whole number");

    /// <summary>A number that can only be above zero.</summary>
    public double Positive(string key, double fallback) => Above(json, key, 0) ?? fallback;

    public bool Bool(string key, bool fallback) =>
        json[key] is not { } node ? fallback
        : node.GetValueKind() is JsonValueKind.True or JsonValueKind.False ? node.GetValue<bool>()
        : throw Wrong(key, node, "true or false");

    public string? String(string key) =>
        json[key] is not { } node ? null
        : node.GetValueKind() == JsonValueKind.String ? node.GetValue<string>()
        : throw Wrong(key, node, "text");

    /// <summary>One id or a list of ids.</summary>
    public IReadOnlyList<int> Ids(string key) =>
        json[key] switch
        {
            null => [],
            JsonArray array => Items<int>(key, array, "one token id or a list of them"),
            var value => Items<int>(key, [value.DeepClone()], "one token id or a list of them"),
        };

    public IReadOnlyList<string> Strings(string key) => Items<string>(key, "a list of texts");

    public IReadOnlyList<int> Ints(string key) => Items<int>(key, "a list of whole numbers");

    /// <summary>
    /// Rope settings from <c>rope_parameters</c> (transformers 5; by layer type where it is nested) or <c>rope_theta</c> and <c>rope_scaling</c>. Where both
    /// are there, <c>rope_scaling</c> is taken whole, as transformers takes it.
    /// </summary>
    public RopeSettings Rope(FamilyDefaults? family = null, string? layerType = null)
    {
        var defaults = family ?? new FamilyDefaults();
        var local = layerType == "sliding_attention";
        var scaling = Object(json, "rope_scaling");
        var parameters = Object(json, "rope_parameters");
        var source = Source(scaling, parameters, layerType, local);
        var thetaKey = local ? "rope_local_base_freq" : "rope_theta";
        var theta = (source is null ? null : Above(source, "rope_theta", 0)) ?? Above(json, thetaKey, 0);
        theta ??= local ? defaults.LocalRopeTheta : defaults.RopeTheta;
        var part = Fraction(source, defaults);
        if (source is null)
            return new RopeSettings { RopeTheta = theta!.Value, PartialRotaryFactor = part };
        return Scaled(source, RopeType(source, defaults), new RopeSettings { RopeTheta = theta!.Value, PartialRotaryFactor = part }, defaults);
    }

    private JsonObject? Source(JsonObject? scaling, JsonObject? parameters, string? layerType, bool local)
    {
        if (scaling is { Count: 0 })
            scaling = null;
        if (layerType is not null)
        {
            var own =
                parameters is null ? null
                : parameters.ContainsKey("full_attention") || parameters.ContainsKey("sliding_attention") ? Object(parameters, layerType)
                : local ? null
                : parameters;
            if (local || scaling is null)
                return own;
            // Gemma 3's class lays rope_scaling over the parameters of the full layers.
            var joint = own is null ? [] : (JsonObject)own.DeepClone();
            foreach (var (key, value) in scaling)
                joint[key] = value?.DeepClone();
            if (own is not null)
                Warn("rope_scaling and rope_parameters.full_attention are both there; keys of rope_scaling count, as in transformers");
            return joint;
        }

        if (scaling is not null && parameters is { Count: > 0 } && !JsonNode.DeepEquals(scaling, parameters))
            Warn("rope_scaling and rope_parameters are both there; rope_scaling counts, as in transformers");
        return scaling ?? parameters;
    }

    private double Fraction(JsonObject? source, FamilyDefaults defaults)
    {
        var (own, common) = (source is null ? null : Number(source, "partial_rotary_factor"), Number(json, "partial_rotary_factor"));
        if (own is not null && common is not null && own != common)
            throw Bad("two values of partial_rotary_factor", $"{common} beside the rope's own {own}", "one value");
        var part = own ?? common ?? 1;
        if (!(part > 0 && part <= 1))
            throw Bad("partial_rotary_factor is out of range", part.ToString(CultureInfo.InvariantCulture), "above 0, at most 1");
        return part == 1 || defaults.RotatesInPart
            ? part
            : throw Bad("partial_rotary_factor is not supported", part.ToString(CultureInfo.InvariantCulture), "1 or absent in this family");
    }

    private string RopeType(JsonObject source, FamilyDefaults defaults)
    {
        var kind = source["rope_type"] ?? source["type"];
        var type =
            kind is null ? "default"
            : kind.GetValueKind() == JsonValueKind.String ? kind.GetValue<string>()
            : throw Wrong("rope_type", kind, "text");
        // Its names in the first files of Phi-3.
        if (type == "su" || (type == "yarn" && defaults.OriginalMaxPositionEmbeddings is not null))
            type = "longrope";
        return type is "default" or "linear" or "dynamic" or "yarn" or "llama3" or "longrope"
            ? type
            : throw Bad("rope type not supported", type, "default, linear, dynamic, yarn, llama3 or longrope");
    }

    private RopeSettings Scaled(JsonObject source, string type, RopeSettings settings, FamilyDefaults defaults)
    {
        settings = settings with { RopeType = type };
        if (type == "default")
            return settings;
        double Need(string key) => Above(source, key, 0) ?? throw Bad($"rope type {type} without {key}", "absent", "a number above 0");
        if (type == "longrope")
            return Long(settings with { OriginalMaxPositionEmbeddings = Original(source, defaults) }, source);
        settings = settings with { Factor = Need("factor") };
        if (type is "linear" or "dynamic")
            return settings;
        settings = settings with { OriginalMaxPositionEmbeddings = Original(source, defaults) };
        if (type == "llama3")
        {
            var (low, high) = (Need("low_freq_factor"), Need("high_freq_factor"));
            return high > low
                ? settings with
                {
                    LowFreqFactor = low,
                    HighFreqFactor = high,
                }
                : throw Bad("high_freq_factor is not above low_freq_factor", FormattableString.Invariant($"{high} and {low}"), "high_freq_factor the larger");
        }

        if (settings.RopeTheta <= 1)
            throw Bad("rope_theta is out of range for yarn", settings.RopeTheta.ToString(CultureInfo.InvariantCulture), "above 1");
        return settings with
        {
            BetaFast = Number(source, "beta_fast") is { } fast and not 0 ? fast : 32,
            BetaSlow = Number(source, "beta_slow") is { } slow and not 0 ? slow : 1,
            Truncate = source["truncate"] is not { } cut || (IsBool(cut) ? cut.GetValue<bool>() : throw Wrong("truncate", cut, "true or false")),
            AttentionFactor = Above(source, "attention_factor", 0),
            MScale = Number(source, "mscale"),
            MScaleAllDim = Number(source, "mscale_all_dim"),
        };
    }

    /// <summary>The length that was trained: the configuration's own key counts before that of the rope settings, as in transformers.</summary>
    private int Original(JsonObject source, FamilyDefaults defaults)
    {
        const string Key = "original_max_position_embeddings";
        var (own, common) = (Above(source, Key, 1), Above(json, Key, 1) ?? defaults.OriginalMaxPositionEmbeddings);
        if (own is not null && common is not null && own != common)
            Warn(FormattableString.Invariant($"{Key} is {common} in the configuration and {own} beside the rope type; {common} counts, as in transformers"));
        var length = common ?? own ?? OptionalInt("max_position_embeddings") ?? defaults.MaxPositionEmbeddings;
        return length == Math.Floor(length) && length <= int.MaxValue
            ? (int)length
            : throw Bad($"{Key} is out of range", length.ToString(CultureInfo.InvariantCulture), "a whole number above 1");
    }

    /// <summary>
    /// LongRoPE's tables; the trained length stands beside the table or, in Phi-3's files, in the configuration itself, and gives the factor.
    /// </summary>
    private RopeSettings Long(RopeSettings settings, JsonObject source)
    {
        var heads = Int("num_attention_heads", 32);
        var head = OptionalInt("head_dim") ?? (heads > 0 ? Int("hidden_size", 3072) / heads : 0);
        var pairs = (int)(head * settings.PartialRotaryFactor) / 2;
        IReadOnlyList<double> Table(string key)
        {
            if (source[key] is not JsonArray array)
                throw Bad($"no {key}", source[key]?.ToJsonString() ?? "absent", $"{pairs} numbers, one for each pair of rotated dimensions");
            var table = array.Select(n => n is not null && AsNumber(n) is { } x ? x : throw Wrong(key, array, "a list of numbers")).ToArray();
            return table.Length == pairs && table.All(f => f > 0 && double.IsFinite(f))
                ? table
                : throw Bad($"{key} does not fit the heads", $"{table.Length} numbers", $"{pairs} positive ones, one for each pair of rotated dimensions");
        }

        var original = settings.OriginalMaxPositionEmbeddings;
        var longest = OptionalInt("max_position_embeddings") ?? original;
        return settings with
        {
            ShortFactor = Table("short_factor"),
            LongFactor = Table("long_factor"),
            Factor = Above(source, "factor", 0) ?? (double)longest / original,
            AttentionFactor = Above(source, "attention_factor", 0),
        };
    }

    /// <summary>What all families share.</summary>
    public DecoderConfig Common(FamilyDefaults defaults)
    {
        var heads = Count("num_attention_heads", defaults.NumAttentionHeads, MostHeads);
        var hidden = Count("hidden_size", defaults.HiddenSize, Widest);
        var act = String(defaults.ActivationKey) ?? defaults.Activation;
        if (act is not ("silu" or "swish" or "gelu_pytorch_tanh"))
            throw Bad("activation not supported", $"{defaults.ActivationKey} {act}", "silu or gelu_pytorch_tanh");
        foreach (var key in new[] { "attn_logit_softcapping", "final_logit_softcapping", "quantization_config" })
            if (Has(key))
                throw Bad($"{key} is not supported", json[key]!.ToJsonString(), "null or absent");
        var vocabulary = Count("vocab_size", defaults.VocabSize, Widest);
        return new DecoderConfig
        {
            ModelType = String("model_type") ?? throw Bad("no model_type", "absent", "a family's name"),
            VocabSize = vocabulary,
            HiddenSize = hidden,
            IntermediateSize = Count("intermediate_size", defaults.IntermediateSize, Widest),
            NumHiddenLayers = Count("num_hidden_layers", defaults.NumHiddenLayers, MostLayers),
            NumAttentionHeads = heads,
            NumKeyValueHeads = Count("num_key_value_heads", (States("num_key_value_heads") ? null : defaults.NumKeyValueHeads) ?? heads, MostHeads),
            HeadDim = Count("head_dim", defaults.HeadDim ?? hidden / heads, Widest),
            RmsNormEps = Positive("rms_norm_eps", defaults.RmsNormEps),
            TieWordEmbeddings = Bool("tie_word_embeddings", defaults.TieWordEmbeddings),
            MaxPositionEmbeddings = Count("max_position_embeddings", defaults.MaxPositionEmbeddings, int.MaxValue),
            Rope = Rope(defaults, defaults.LocalRopeTheta is null ? null : "full_attention"),
            Activation = act == "gelu_pytorch_tanh" ? Activation.GeluTanh : Activation.Silu,
            BosTokenId = Id("bos_token_id", defaults.BosTokenId, vocabulary),
            EosTokenIds = Ends(defaults.EosTokenId, vocabulary),
            // Early Llama files have -1 for no token.
            PadTokenId = OptionalInt("pad_token_id") == -1 ? null : Id("pad_token_id", defaults.PadTokenId, vocabulary),
        };
    }

    /// <summary>An error of this file.</summary>
    internal HarnessException Bad(string what, string found, string expected) =>
        HarnessException.BadFile(path, what, found, expected, "is this the config.json of a decoder model?");

    private int Count(string key, int absent, int most)
    {
        var count = Int(key, absent);
        return count >= 1 && count <= most ? count : throw Bad($"{key} is out of range", $"{count}", $"1 to {most}");
    }

    private int? Id(string key, int? absent, int vocabulary)
    {
        // A small model may leave out what only a large vocabulary has.
        if (!States(key))
            return absent < vocabulary ? absent : null;
        return OptionalInt(key) is { } id ? Within(key, id, vocabulary) : null;
    }

    private IReadOnlyList<int> Ends(int? absent, int vocabulary)
    {
        const string Key = "eos_token_id";
        if (States(Key))
            return [.. Ids(Key).Select(id => Within(Key, id, vocabulary)).Distinct()];
        return absent is { } end && end < vocabulary ? [end] : [];
    }

    private int Within(string key, int id, int vocabulary) =>
        id >= 0 && id < vocabulary ? id : throw Bad($"{key} is outside the vocabulary", $"{id}", $"0 to {vocabulary - 1} (vocab_size)");

    private List<T> Items<T>(string key, string expected) =>
        json[key] switch
        {
            null => [],
            JsonArray array => Items<T>(key, array, expected),
            var other => throw Wrong(key, other, expected),
        };

    private List<T> Items<T>(string key, JsonArray array, string expected)
    {
        var items = new List<T>(array.Count);
        foreach (var item in array)
            items.Add(item is JsonValue value && value.TryGetValue<T>(out var read) ? read : throw Wrong(key, array, expected));
        return items;
    }

    private JsonObject? Object(JsonObject source, string key) => source[key] is not { } node ? null : node as JsonObject ?? throw Wrong(key, node, "an object");

    private double? Above(JsonObject source, string key, double bound) =>
        Number(source, key) is not { } n ? null
        : n > bound ? n
        : throw Bad($"{key} is out of range", source[key]!.ToJsonString(), string.Create(CultureInfo.InvariantCulture, $"a number above {bound}"));

    private double? Number(JsonObject source, string key)
    {
        if (source[key] is not { } node)
            return null;
        return AsNumber(node) is { } number
            ? double.IsFinite(number)
                ? number
                : throw Bad($"{key} is out of range", node.ToJsonString(), "a finite number")
            : throw Wrong(key, node, "a number");
    }

    private static double? AsNumber(JsonNode node) =>
        node.GetValueKind() == JsonValueKind.Number ? double.Parse(node.ToJsonString(), CultureInfo.InvariantCulture) : null;

    private static bool IsBool(JsonNode node) => node.GetValueKind() is JsonValueKind.True or JsonValueKind.False;

    private HarnessException Wrong(string key, JsonNode found, string expected)
    {
        var text = found.ToJsonString();
        return Bad($"{key} has the wrong type", text.Length > 200 ? text[..200] + "…" : text, expected);
    }
}
