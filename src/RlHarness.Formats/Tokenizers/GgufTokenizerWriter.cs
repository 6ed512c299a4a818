using System.Text.Json;
using RlHarness.Formats.Files;

namespace RlHarness.Formats.Tokenizers;

/// <summary>A byte-level tokenizer as GGUF metadata (<c>tokenizer.ggml.*</c>). What GGUF has no word for is refused by name.</summary>
public static class GgufTokenizerWriter
{
    private static readonly string[] Samples =
    [
        "The cat sat on the mat.",
        "  two  spaces\tand\n\n a line\r\n",
        "I'm, you'RE, we've 1 12 123 1234 12345",
        "naïve cafe\u0301 Ångström ﬁ",
        "日本語と한국어 и русский עברית",
        "😀👩‍👩‍👧 \u200b\u00a0",
        "def f(x):\n    return x**2  # \"quoted\" 'text'",
        "<|im_start|>user\nHello<|im_end|>\n<|endoftext|><s></s>",
    ];

    /// <summary>Adds the keys; the list of tokens is filled up to the model's vocabulary with unused ones.</summary>
    public static void Add(Tokenizer tokenizer, int vocabulary, string path, Dictionary<string, object> data)
    {
        var parts = tokenizer.Parts;
        if (!parts.Model.Options.ByteLevel || parts.Model.Options.ByteFallback)
            throw GgufWriter.Unsupported(
                path,
                "a tokenizer with byte fallback (SentencePiece-like)",
                "a byte-level tokenizer, such as those of Llama 3, Qwen and SmolLM"
            );
        if (tokenizer.VocabularySize > vocabulary)
            throw GgufWriter.Unsupported(
                path,
                $"a tokenizer of {tokenizer.VocabularySize} tokens over {vocabulary} embeddings",
                "a tokenizer that belongs to the model"
            );
        if (tokenizer.Added.Values.FirstOrDefault(t => t.LStrip || t.RStrip || t.SingleWord || (t.Normalized && parts.Normalizer is not null)) is { } odd)
            throw GgufWriter.Unsupported(
                path,
                $"an added token with lstrip, rstrip, single_word or normalized: '{odd.Content}'",
                "added tokens that are taken as they are"
            );
        using var document = JsonDocument.Parse(tokenizer.Settings.Files["tokenizer.json"]);
        var root = document.RootElement;
        var post = parts.PostProcessor;
        var before = post.Before.Count == 1 && post.Before[0] == tokenizer.BosId;
        if (post.After.Count > 0 || (post.Before.Count > 0 && !before))
            throw GgufWriter.Unsupported(path, "a post_processor that adds more than the bos_token before the text", "none, or the bos_token before the text");

        data["tokenizer.ggml.model"] = "gpt2";
        data["tokenizer.ggml.pre"] = Kind(root, parts, path);
        data["tokenizer.ggml.tokens"] = Enumerable.Range(0, vocabulary).Select(id => Token(tokenizer, id) ?? $"[PAD{id}]").ToArray();
        data["tokenizer.ggml.token_type"] = Enumerable
            .Range(0, vocabulary)
            .Select(id =>
                tokenizer.Added.TryGetValue(id, out var added)
                    ? added.Special
                        ? 3
                        : 4
                    : Token(tokenizer, id) is null
                        ? 5
                        : 1
            )
            .ToArray();
        data["tokenizer.ggml.merges"] = root.GetProperty("model")
            .GetProperty("merges")
            .EnumerateArray()
            .Select(m => m.ValueKind == JsonValueKind.Array ? $"{m[0].GetString()} {m[1].GetString()}" : m.GetString()!)
            .ToArray();
        data["tokenizer.ggml.add_bos_token"] = before;
        data["tokenizer.ggml.add_space_prefix"] = false;
        foreach (var (name, template) in tokenizer.ChatTemplates)
            data["tokenizer.chat_template" + (name == "default" ? "" : "." + name)] = template;
    }

    /// <summary>Holds what is read back to the original: every token, templates, and the ids of a few texts.</summary>
    public static void Compare(Tokenizer original, Tokenizer read, string path)
    {
        string? different = null;
        if (original.VocabularySize != read.VocabularySize)
            different = $"{read.VocabularySize} tokens instead of {original.VocabularySize}";
        else if (
            Enumerable
                .Range(0, original.VocabularySize)
                .FirstOrDefault(id => Token(original, id) != Token(read, id) || original.IsSpecial(id) != read.IsSpecial(id), -1)
            is var id
                and >= 0
        )
            different = $"another token {id}";
        else if (
            !original.ChatTemplates.OrderBy(t => t.Key, StringComparer.Ordinal).SequenceEqual(read.ChatTemplates.OrderBy(t => t.Key, StringComparer.Ordinal))
        )
            different = "other chat templates";
        else if (
            Samples.FirstOrDefault(text => !original.Encode(text, addSpecialTokens: true).SequenceEqual(read.Encode(text, addSpecialTokens: true))) is { } text
        )
            different = $"other ids of {JsonSerializer.Serialize(text)}";
        if (different is not null)
            throw GgufWriter.Unsupported(path, "a tokenizer that would be read back with " + different, "a tokenizer that GGUF carries whole");
    }

    private static string? Token(Tokenizer tokenizer, int id) =>
        tokenizer.Added.TryGetValue(id, out var added) ? added.Content : tokenizer.Parts.Model.Tokens.GetValueOrDefault(id);

    private static string Kind(JsonElement root, TokenizerParts parts, string path)
    {
        var split = Canonical(root.TryGetProperty("pre_tokenizer", out var pre) ? pre : default);
        foreach (var name in GgufTokenizer.Kinds)
        {
            var (document, nfc, ignoreMerges) = GgufTokenizer.Kind(name)!.Value;
            using var known = JsonDocument.Parse(document);
            if (
                Canonical(known.RootElement) == split
                && nfc == parts.Normalizer is NfcNormalizer
                && ignoreMerges == parts.Model.Options.IgnoreMerges
                && (nfc || parts.Normalizer is null)
            )
                return name;
        }

        throw GgufWriter.Unsupported(
            path,
            $"a split that GGUF has no name for: {split}, "
                + $"{(parts.Normalizer is null ? "no normalizer" : parts.Normalizer.GetType().Name)}, ignore_merges "
                + $"{parts.Model.Options.IgnoreMerges}",
            "that of one of: " + string.Join(", ", GgufTokenizer.Kinds)
        );
    }

    // Keys that change no id (trim_offsets) are left out; `Removed` with `invert` is `Isolated` for a pattern that covers all text, as every known one does.
    private static string Canonical(JsonElement part)
    {
        if (part.ValueKind != JsonValueKind.Object)
            return "none";
        string? Text(string key) =>
            part.TryGetProperty(key, out var value)
                ? value.ValueKind == JsonValueKind.String
                    ? value.GetString()
                    : value.GetRawText()
                : null;
        bool Flag(string key, bool absent) => part.TryGetProperty(key, out var value) ? value.ValueKind == JsonValueKind.True : absent;
        // Removing what does not match isolates what does.
        bool IsolatesMatches() => Text("behavior") == "Isolated" || (Text("behavior") == "Removed" && Flag("invert", false));
        return Text("type") switch
        {
            "Sequence" => string.Join(" + ", part.GetProperty("pretokenizers").EnumerateArray().Select(Canonical)),
            "ByteLevel" => $"ByteLevel(prefix space {Flag("add_prefix_space", true)}, regex {Flag("use_regex", true)})",
            "Digits" => $"Digits(individual {Flag("individual_digits", false)})",
            "Split" when part.GetProperty("pattern").TryGetProperty("Regex", out var regex) => $"Split({regex.GetString()}, "
                + $"{(IsolatesMatches() ? "Isolated" : Text("behavior") + Flag("invert", false))})",
            _ => part.GetRawText(),
        };
    }
}
