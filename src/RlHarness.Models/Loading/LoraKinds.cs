using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using RlHarness.Core.Errors;

namespace RlHarness.Models.Loading;

/// <summary>Refuses adapters that are more than two matrices beside each projection, by the key of adapter_config.json that says so.</summary>
internal static class LoraKinds
{
    /// <summary>
    /// Keys that change no result, or that <see cref="LoraFolder"/> reads itself. A key that is not here and not empty may change one, so it is refused: PEFT
    /// gets a new kind of adapter in most releases.
    /// </summary>
    private static readonly HashSet<string> Harmless = new(StringComparer.Ordinal)
    {
        "alpha_pattern",
        "auto_mapping",
        "base_model_name_or_path",
        "exclude_modules",
        "inference_mode",
        "layers_pattern",
        "layers_to_transform",
        "lora_alpha",
        "lora_dropout",
        "megatron_core",
        "modules_to_save",
        "peft_version",
        "qalora_group_size",
        "r",
        "rank_pattern",
        "revision",
        "runtime_config",
        "target_modules",
        "task_type",
        "use_rslora",
    };

    /// <exception cref="HarnessException">The adapter is not plain LoRA.</exception>
    internal static void Refuse(JsonObject json, string path)
    {
        HarnessException Other(string key, string expected) =>
            HarnessException.BadFile(
                path,
                $"adapter kind not supported: {key}",
                json[key]?.ToJsonString() ?? "absent",
                expected,
                "merge it with PEFT (merge_and_unload) and use the merged model, or train a plain LoRA adapter"
            );
        if (Text(json["peft_type"]) != "LORA")
            throw Other("peft_type", "\"LORA\"");
        if (json["bias"] is { } bias && Text(bias) != "none")
            throw Other("bias", "\"none\"");
        // The other ways to begin (PiSSA, OLoRA, CorDA, LoftQ, …) take the start away from the base weights, which the adapter's file does not hold.
        if (json["init_lora_weights"] is { } start && !(IsBool(start) || Text(start) is "gaussian" or "orthogonal"))
            throw Other("init_lora_weights", "true, false, \"gaussian\" or \"orthogonal\", which leave the base weights as they are");
        if (json["modules_to_save"] is { } saved && !(saved is JsonArray names && names.All(m => Text(m) == "lm_head")))
            throw Other("modules_to_save", "[\"lm_head\"] or null");
        foreach (var (key, value) in json)
            if (!Harmless.Contains(key) && key is not ("peft_type" or "bias" or "init_lora_weights") && !IsEmpty(value))
                throw Other(key, "absent, null or false");
    }

    private static string? Text(JsonNode? node) => node is JsonValue v && v.TryGetValue<string>(out var text) ? text : null;

    private static bool IsBool(JsonNode node) => node.GetValueKind() is JsonValueKind.True or JsonValueKind.False;

    private static bool IsEmpty(JsonNode? node) =>
        node switch
        {
            null => true,
            JsonArray list => list.Count == 0,
            JsonObject map => map.Count == 0,
            _ => node.GetValueKind() == JsonValueKind.False,
        };
}

/// <summary>
/// PEFT's <c>rank_pattern</c> and <c>alpha_pattern</c>: regular expressions that match from an optional dotted prefix to the end of a module's name
/// (<c>get_pattern_key</c> in peft/utils/other.py); the first key in the file's order counts.
/// </summary>
internal sealed class LoraPatterns
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(1);
    private readonly List<(string Key, Regex Module, double Value)> _ranks,
        _alphas;
    private readonly double? _rank;
    private readonly string _path;

    internal LoraPatterns(JsonObject json, string path)
    {
        _path = path;
        (_ranks, _alphas) = (Read(json, "rank_pattern"), Read(json, "alpha_pattern"));
        if (json["r"] is { } r)
            _rank = Number(r, "r", "a whole number from 1");
    }

    /// <summary>A module's own alpha, or null.</summary>
    internal double? Alpha(string module) => Find(_alphas, module)?.Value;

    /// <summary>Holds a matrix to the rank that the configuration states for its module, as PEFT does when it loads.</summary>
    internal void Check(string module, int rank, string weights)
    {
        var (key, stated) = Find(_ranks, module) is { } found ? ($"rank_pattern.{found.Key}", found.Value) : ("r", _rank ?? rank);
        if (stated != rank)
            throw HarnessException.BadFile(
                weights,
                $"lora_A of {module} has another rank than adapter_config.json states",
                $"{rank}",
                string.Create(CultureInfo.InvariantCulture, $"{key} = {stated}"),
                "fetch both files of the same adapter"
            );
    }

    private (string Key, double Value)? Find(List<(string Key, Regex Module, double Value)> patterns, string module)
    {
        foreach (var (key, pattern, value) in patterns)
        {
            try
            {
                if (pattern.IsMatch(module))
                    return (key, value);
            }
            catch (RegexMatchTimeoutException e)
            {
                throw HarnessException.BadFile(_path, "a pattern takes too long", $"\"{key}\" on {module}", "a plain name of modules", inner: e);
            }
        }

        return null;
    }

    private List<(string Key, Regex Module, double Value)> Read(JsonObject json, string name)
    {
        var patterns = new List<(string, Regex, double)>();
        if (json[name] is not { } node)
            return patterns;
        if (node is not JsonObject map)
            throw HarnessException.BadFile(_path, $"{name} has the wrong type", node.ToJsonString(), "an object of patterns and numbers");
        foreach (var (key, value) in map)
        {
            try
            {
                patterns.Add((key, new Regex($@"\A(.*\.)?({key})$", RegexOptions.CultureInvariant, Patience), Number(value, $"{name}.{key}", "a number")));
            }
            catch (ArgumentException e)
            {
                throw HarnessException.BadFile(_path, $"a key of {name} is no regular expression", $"\"{key}\"", "a module's name or a pattern", inner: e);
            }
        }

        return patterns;
    }

    private double Number(JsonNode? node, string key, string expected) =>
        node is JsonValue v
        && v.GetValueKind() == JsonValueKind.Number
        && double.Parse(v.ToJsonString(), CultureInfo.InvariantCulture) is var number
        && double.IsFinite(number)
        && number > 0
            ? number
            : throw HarnessException.BadFile(_path, $"{key} has the wrong type or range", node?.ToJsonString() ?? "null", $"{expected} above 0");
}
