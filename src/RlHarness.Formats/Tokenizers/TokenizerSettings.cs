using System.Text.Json;
using RlHarness.Core.Errors;

namespace RlHarness.Formats.Tokenizers;

/// <summary>What stands beside tokenizer.json: named special tokens, chat templates, and the files themselves, to be written again as they were.</summary>
internal sealed class TokenizerSettings
{
    private static readonly string[] Names = ["bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"];
    private readonly List<string> _additional = [];

    private TokenizerSettings(Dictionary<string, byte[]> files) => Files = files;

    public Dictionary<string, byte[]> Files { get; }

    public Dictionary<string, string> Named { get; } = new(StringComparer.Ordinal);

    public Dictionary<string, string> ChatTemplates { get; } = new(StringComparer.Ordinal);

    public static TokenizerSettings Load(string folder)
    {
        var files = new Dictionary<string, byte[]>(StringComparer.Ordinal);
        foreach (var name in (string[])["tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "chat_template.jinja"])
        {
            if (File.Exists(Path.Combine(folder, name)))
                files[name] = File.ReadAllBytes(Path.Combine(folder, name));
        }

        if (Path.Combine(folder, "additional_chat_templates") is var more && Directory.Exists(more))
        {
            foreach (var file in Directory.GetFiles(more, "*.jinja"))
                files[$"additional_chat_templates/{Path.GetFileName(file)}"] = File.ReadAllBytes(file);
        }

        return Read(folder, files);
    }

    /// <summary>The same from files in memory, by their names.</summary>
    public static TokenizerSettings Read(string folder, Dictionary<string, byte[]> files)
    {
        var settings = new TokenizerSettings(files);
        settings.ReadNames(Path.Combine(folder, "special_tokens_map.json"), files.GetValueOrDefault("special_tokens_map.json"));
        settings.ReadNames(Path.Combine(folder, "tokenizer_config.json"), files.GetValueOrDefault("tokenizer_config.json"));
        foreach (var (name, bytes) in files.Where(file => file.Key.EndsWith(".jinja", StringComparison.Ordinal)))
        {
            var key = name == "chat_template.jinja" ? "default" : Path.GetFileNameWithoutExtension(name);
            settings.ChatTemplates[key] = System.Text.Encoding.UTF8.GetString(bytes);
        }

        return settings;
    }

    /// <summary>Special tokens that the settings name and the vocabulary has, but tokenizer.json does not list as added.</summary>
    public IEnumerable<AddedToken> Missing(TokenizerParts parts)
    {
        var listed = parts.Added.Select(token => token.Content).ToHashSet(StringComparer.Ordinal);
        foreach (var token in Named.Values.Concat(_additional))
        {
            if (listed.Add(token) && parts.Model.Ids.TryGetValue(token, out var id))
                yield return new AddedToken(token, id, false, false, false, false, true);
        }
    }

    private void ReadNames(string path, byte[]? json)
    {
        if (json is null)
            return;
        try
        {
            using var document = JsonDocument.Parse(json);
            var root = document.RootElement;
            if (root.ValueKind != JsonValueKind.Object)
                throw new JsonException("not an object");
            foreach (var name in Names)
            {
                if (root.TryGetProperty(name, out var token) && Content(token) is { } content)
                    Named[name] = content;
            }

            if (root.TryGetProperty("additional_special_tokens", out var more) && more.ValueKind == JsonValueKind.Array)
            {
                _additional.AddRange(more.EnumerateArray().Select(Content).OfType<string>());
            }

            ReadTemplates(root);
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException or KeyNotFoundException)
        {
            throw HarnessException.BadFile(
                path,
                "does not have the form that it should",
                e.Message,
                "a JSON object of tokenizer settings",
                "fetch the file again",
                e
            );
        }
    }

    private void ReadTemplates(JsonElement root)
    {
        if (!root.TryGetProperty("chat_template", out var template))
            return;
        if (template.ValueKind == JsonValueKind.String)
        {
            ChatTemplates["default"] = template.GetString()!;
        }
        else if (template.ValueKind == JsonValueKind.Array)
        {
            foreach (var entry in template.EnumerateArray())
                ChatTemplates[entry.GetProperty("name").GetString()!] = entry.GetProperty("template").GetString()!;
        }
    }

    private static string? Content(JsonElement token) =>
        token.ValueKind switch
        {
            JsonValueKind.String => token.GetString(),
            JsonValueKind.Object => token.GetProperty("content").GetString(),
            _ => null,
        };
}

/// <summary>What is done after encoding: ids around the text, and spans without the spaces of their tokens.</summary>
internal sealed record PostProcessor(IReadOnlyList<int> Before, IReadOnlyList<int> After, IReadOnlyList<bool> Trims)
{
    public static PostProcessor None { get; } = new([], [], []);
}
