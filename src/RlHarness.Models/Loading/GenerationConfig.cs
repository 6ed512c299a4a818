using System.Text.Json;
using System.Text.Json.Nodes;
using RlHarness.Core.Errors;
using RlHarness.Core.Files;
using RlHarness.Formats.Files;
using RlHarness.Models.Families;

namespace RlHarness.Models.Loading;

/// <summary>generation_config.json: which tokens end an answer, and how transformers draws by default.</summary>
internal static class GenerationConfig
{
    internal const string Name = "generation_config.json";
    private const string EndKey = "eos_token_id";

    /// <summary>Null where the model is a file, or its folder has none.</summary>
    /// <exception cref="HarnessException">There is one that is not a JSON object.</exception>
    internal static JsonObject? Read(string path)
    {
        if (!Directory.Exists(path))
            return null;
        var file = Path.Combine(path, Name);
        return File.Exists(file) ? SmallFile.ReadObject(file, "a model's " + Name) : null;
    }

    /// <summary>Its end tokens.</summary>
    /// <exception cref="HarnessException">One of them is none of the model's.</exception>
    internal static IReadOnlyList<int> Ends(JsonObject? json, string path, int vocabulary)
    {
        if (json is null)
            return [];
        var file = Path.Combine(path, Name);
        var ids = new ConfigReader(json, file).Ids(EndKey);
        return ids.All(id => id >= 0 && id < vocabulary)
            ? ids
            : throw HarnessException.BadFile(
                file,
                $"{EndKey} is outside the vocabulary",
                string.Join(", ", ids),
                $"0 to {vocabulary - 1}",
                "fetch the file again: is it that of this model?"
            );
    }

    /// <summary>Writes the source's keys with every token that ends an answer; other writers name only one of them in config.json.</summary>
    /// <param name="folder">Where the model is written.</param>
    /// <param name="source">The source's file, or null.</param>
    /// <param name="config">The config.json that is written beside it.</param>
    /// <param name="ends">Every id that ends an answer.</param>
    internal static void Write(string folder, JsonObject? source, JsonObject config, IReadOnlyList<int> ends)
    {
        var json = source is null ? [] : (JsonObject)source.DeepClone();
        foreach (var key in (string[])["bos_token_id", EndKey, "pad_token_id"])
            if (!json.ContainsKey(key))
                json[key] = config[key]?.DeepClone();
        int[] all = [.. new ConfigReader(config, folder).Ids(EndKey).Concat(new ConfigReader(json, folder).Ids(EndKey)).Concat(ends).Distinct()];
        if (all.Length > 0)
            json[EndKey] = all.Length == 1 ? all[0] : new JsonArray([.. all.Select(id => JsonValue.Create(id))]);
        AtomicFile.WriteAllText(Path.Combine(folder, Name), json.ToJsonString(new JsonSerializerOptions { WriteIndented = true }) + "\n");
    }
}
