using System.Text.Json;
using RlHarness.Core.Errors;
using RlHarness.Formats.Files;

namespace RlHarness.Formats.Tokenizers;

/// <summary>What stands beside tokenizer.json: named special tokens, chat templates, and the files themselves, to be written again as they were.</summary>
internal sealed class TokenizerSettings
{
    private const string AddedTokens = "added_tokens.json";

    // The id of a token that a list names: added even where the vocabulary lacks it.
    private const int Listed = -1;

    private static readonly string[] Names = ["bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"];
    private readonly List<AddedToken> _special = [];
    private readonly SortedDictionary<int, AddedToken> _declared = [];

    private TokenizerSettings(Dictionary<string, byte[]> files) => Files = files;

    public Dictionary<string, byte[]> Files { get; }

    public Dictionary<string, string> Named { get; } = new(StringComparer.Ordinal);

    public Dictionary<string, string> ChatTemplates { get; } = new(StringComparer.Ordinal);

    public static TokenizerSettings Load(string folder, bool withVocabulary = true)
    {
        var files = new Dictionary<string, byte[]>(StringComparer.Ordinal);
        foreach (var name in (string[])["tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", AddedTokens, "chat_template.jinja"])
        {
            var path = Path.Combine(folder, name);
            if (!File.Exists(path) || (name == "tokenizer.json" && !withVocabulary))
                continue;
            files[name] = name.EndsWith(".json", StringComparison.Ordinal)
                ? SmallFile.ReadJson(path, $"a {name}", name == "tokenizer.json" ? SmallFile.LargestVocabulary : SmallFile.LargestSettings)
                : SmallFile.Read(path, "a chat template", SmallFile.LargestSettings);
        }

        if (Path.Combine(folder, "additional_chat_templates") is var more && Directory.Exists(more))
        {
            foreach (var file in Directory.GetFiles(more, "*.jinja"))
                files[$"additional_chat_templates/{Path.GetFileName(file)}"] = SmallFile.Read(file, "a chat template", SmallFile.LargestSettings);
        }

        return Read(folder, files);
    }

    /// <summary>Reads the settings from files in memory, by name.</summary>
    public static TokenizerSettings Read(string folder, Dictionary<string, byte[]> files)
    {
        var settings = new TokenizerSettings(files);
        settings.ReadNames(Path.Combine(folder, "special_tokens_map.json"), files.GetValueOrDefault("special_tokens_map.json"));
        settings.ReadNames(Path.Combine(folder, "tokenizer_config.json"), files.GetValueOrDefault("tokenizer_config.json"));
        settings.ReadAdded(Path.Combine(folder, AddedTokens), files.GetValueOrDefault(AddedTokens));
        foreach (var (name, bytes) in files.Where(file => file.Key.EndsWith(".jinja", StringComparison.Ordinal)))
        {
            var key = name == "chat_template.jinja" ? "default" : Path.GetFileNameWithoutExtension(name);
            settings.ChatTemplates[key] = System.Text.Encoding.UTF8.GetString(bytes);
        }

        return settings;
    }

    /// <summary>
    /// All added tokens: those of tokenizer.json, with the flags that tokenizer_config.json gives them, and those that stand in the other files alone.
    /// They get their ids as transformers gives them: that of the vocabulary, else the next free one, whatever number the file states.
    /// </summary>
    public IReadOnlyList<AddedToken> Added(TokenizerParts parts)
    {
        var all = new List<AddedToken>(parts.Added);
        var places = new Dictionary<string, int>(StringComparer.Ordinal);
        for (var i = 0; i < all.Count; i++)
            places.TryAdd(all[i].Content, i);
        var (size, highest) = (parts.Model.Ids.Count, parts.Added.Select(token => token.Id).DefaultIfEmpty(-1).Max());
        foreach (var token in _declared.Values)
        {
            if (places.TryGetValue(token.Content, out var place))
                all[place] = token with { Id = all[place].Id };
            else
                Add(token);
        }

        foreach (var token in _special)
        {
            // A name that the vocabulary lacks is an error of its own (bos_token, …); the lists add what they name.
            if (!places.ContainsKey(token.Content) && (token.Id == Listed || parts.Model.Ids.ContainsKey(token.Content)))
                Add(token);
        }

        return all;

        void Add(AddedToken token)
        {
            places[token.Content] = all.Count;
            var id = parts.Model.Ids.TryGetValue(token.Content, out var known) ? known : Math.Max(highest + 1, size);
            highest = Math.Max(highest, id);
            all.Add(token with { Id = id });
        }
    }

    // added_tokens.json of older folders: content to id, without flags.
    private void ReadAdded(string path, byte[]? json)
    {
        if (json is null || _declared.Count > 0)
            return;
        Parse(path, json, root =>
        {
            foreach (var entry in root.EnumerateObject())
            {
                var special = Named.ContainsValue(entry.Name) || _special.Any(token => token.Content == entry.Name);
                Declare(entry.Value.GetInt32(), new AddedToken(entry.Name, 0, false, false, false, !special, special));
            }
        });
    }

    private void Declare(int id, AddedToken token)
    {
        if (token.Content.Length == 0)
            throw new JsonException("an added token without content");
        if (!_declared.TryAdd(id, token))
            throw new JsonException($"two added tokens with the id {id}");
    }

    private static void Parse(string path, byte[] json, Action<JsonElement> read)
    {
        try
        {
            using var document = JsonDocument.Parse(json, new JsonDocumentOptions { AllowDuplicateProperties = false });
            if (document.RootElement.ValueKind != JsonValueKind.Object)
                throw new JsonException("not an object");
            read(document.RootElement);
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException or KeyNotFoundException or FormatException)
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

    private void ReadNames(string path, byte[]? json)
    {
        if (json is null)
            return;
        Parse(path, json, root =>
        {
            foreach (var name in Names)
            {
                if (root.TryGetProperty(name, out var token) && Token(token, 0) is { } named)
                {
                    Named[name] = named.Content;
                    _special.Add(named);
                }
            }

            // transformers 5 calls the list of 4 extra_special_tokens; there, it was an object by names.
            foreach (var key in (string[])["additional_special_tokens", "extra_special_tokens", "model_specific_special_tokens"])
            {
                if (!root.TryGetProperty(key, out var more))
                    continue;
                if (more.ValueKind == JsonValueKind.Array)
                    _special.AddRange(more.EnumerateArray().Select(token => Token(token, Listed)).OfType<AddedToken>());
                else if (more.ValueKind == JsonValueKind.Object)
                    _special.AddRange(more.EnumerateObject().Select(token => Token(token.Value, Listed)).OfType<AddedToken>());
            }

            if (root.TryGetProperty("added_tokens_decoder", out var declared) && declared.ValueKind == JsonValueKind.Object)
            {
                foreach (var entry in declared.EnumerateObject())
                {
                    if (!int.TryParse(entry.Name, System.Globalization.NumberStyles.None, System.Globalization.CultureInfo.InvariantCulture, out var id))
                        throw new JsonException($"added_tokens_decoder has the key '{entry.Name}' in place of an id");
                    if (Token(entry.Value, 0) is { } token)
                        Declare(id, token);
                }
            }

            ReadTemplates(root);
        });
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
                ChatTemplates[Text(entry, "name")] = Text(entry, "template");
        }
    }

    private static string Text(JsonElement entry, string key) =>
        entry.GetProperty(key).GetString() ?? throw new JsonException($"chat_template with {key} null");

    private static AddedToken? Token(JsonElement token, int id)
    {
        if (token.ValueKind == JsonValueKind.String)
            return token.GetString() is { Length: > 0 } plain ? new AddedToken(plain, id, false, false, false, false, true) : null;
        if (token.ValueKind != JsonValueKind.Object)
            return null;
        bool Flag(string key, bool absent) => token.TryGetProperty(key, out var flag) && flag.ValueKind != JsonValueKind.Null ? flag.GetBoolean() : absent;
        var content = token.GetProperty("content").GetString() ?? throw new JsonException("an added token without content");
        var special = Flag("special", absent: true);
        return new AddedToken(
            content,
            id,
            Flag("single_word", absent: false),
            Flag("lstrip", absent: false),
            Flag("rstrip", absent: false),
            Flag("normalized", absent: !special),
            special
        );
    }
}

/// <summary>What is done after encoding: ids around the text, and spans without the spaces of their tokens.</summary>
internal sealed record PostProcessor(IReadOnlyList<int> Before, IReadOnlyList<int> After, IReadOnlyList<bool> Trims)
{
    public static PostProcessor None { get; } = new([], [], []);
}
