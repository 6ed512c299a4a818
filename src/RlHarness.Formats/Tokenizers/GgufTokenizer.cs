using RlHarness.Core.Errors;
using RlHarness.Formats.Files;

namespace RlHarness.Formats.Tokenizers;

/// <summary>A tokenizer from GGUF metadata (<c>tokenizer.ggml.*</c>), by way of the tokenizer.json that says the same.</summary>
internal static class GgufTokenizer
{
    private const string Cl100kHead = @"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|";
    private const string Cl100kTail = @"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
    private const string Tekken =
        @"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|"
        + @"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|"
        + @"\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+";

    /// <summary>One name for each kind of split that is known.</summary>
    internal static readonly string[] Kinds = ["gpt-2", "olmo", "smollm", "llama-bpe", "dbrx", "qwen2", "tekken"];

    private const string MarkReplaced = """{"type":"Replace","pattern":{"String":" "},"content":"▁"}""";
    private const string MarkDecoded = """{"type":"Replace","pattern":{"String":"▁"},"content":" "},{"type":"ByteFallback"},{"type":"Fuse"}""";

    public static Tokenizer Read(GgufFile file)
    {
        var kind = file.Require<string>("tokenizer.ggml.model");
        var tokens = Distinct(file, file.Require<string[]>("tokenizer.ggml.tokens"));
        var types = file.Require<int[]>("tokenizer.ggml.token_type");
        if (types.Length != tokens.Length)
            throw HarnessException.BadFile(file.Path, "tokens and token types differ in number", $"{types.Length} types", $"{tokens.Length}");

        // ggml's token types: 2 unknown, 3 control, 4 user-defined
        var added = new List<AddedToken>();
        for (var id = 0; id < tokens.Length; id++)
        {
            if (types[id] is 2 or 3 or 4)
                added.Add(new AddedToken(tokens[id], id, false, false, false, Normalized: false, Special: types[id] != 4));
        }

        // 5: unused, which fills the list up to the rows of the embedding
        string?[] used = [.. tokens.Select((token, id) => types[id] == 5 ? null : token)];
        var bos = Token(file, tokens, "bos_token_id");
        var eos = Token(file, tokens, "eos_token_id");
        // llama.cpp's defaults where the file does not say: SentencePiece, Llama 3 and Tekken begin with BOS.
        var before = bos is not null && (Flag(file, "add_bos_token") ?? (kind == "llama" || BeginsWithBos(file)));
        var after = eos is not null && (Flag(file, "add_eos_token") ?? false);
        var post =
            before || after
                ? TokenizerDocument.Around(before ? (bos!, Array.IndexOf(tokens, bos)) : null, after ? (eos!, Array.IndexOf(tokens, eos)) : null)
                : null;
        var document = kind switch
        {
            "gpt2" => ByteLevel(file, used, added, post),
            "llama" => SentencePiece(file, tokens, types, added, post),
            _ => throw HarnessException.BadFile(
                file.Path,
                "has a tokenizer that is not supported",
                $"tokenizer.ggml.model = '{kind}'",
                "gpt2 or llama",
                "use the Hugging Face folder of the model"
            ),
        };
        var config = TokenizerDocument.Config(
            added,
            bos,
            eos,
            Token(file, tokens, "padding_token_id"),
            Token(file, tokens, "unknown_token_id"),
            Templates(file)
        );
        var files = new Dictionary<string, byte[]>(StringComparer.Ordinal) { ["tokenizer.json"] = document, ["tokenizer_config.json"] = config };
        return new Tokenizer(file.Path, new TokenizerReader(file.Path).Read(document), TokenizerSettings.Read(file.Path, files));
    }

    private static byte[] ByteLevel(GgufFile file, string?[] tokens, List<AddedToken> added, string? post)
    {
        var name = Pre(file, tokens, added);
        if (Kind(name) is not var (split, nfc, ignoreMerges))
        {
            throw HarnessException.BadFile(
                file.Path,
                "has a split pattern that is not known",
                $"tokenizer.ggml.pre = '{name}'",
                string.Join(", ", Kinds),
                "use the Hugging Face folder of the model"
            );
        }

        // a vocabulary of single bytes has no merges, and writers leave an empty list out
        var bytes =
            !file.Metadata.ContainsKey("tokenizer.ggml.merges")
            && tokens.Where((token, id) => token?.Length > 1 && added.All(a => a.Id != id)).FirstOrDefault() is null;
        var merges = (bytes ? [] : file.Require<string[]>("tokenizer.ggml.merges")).Select(merge =>
            merge.Split(' ') is [var left, var right]
                ? (left, right)
                : throw HarnessException.BadFile(file.Path, "has a merge of an unknown form", $"'{merge}'", "'a b'")
        );
        return TokenizerDocument.Tokenizer(
            added,
            nfc ? """{"type":"NFC"}""" : null,
            split,
            post,
            TokenizerDocument.ByteLevelDecoder,
            tokens,
            merges,
            new BpeOptions(true, false, false, ignoreMerges, null)
        );
    }

    /// <summary>How text is split before it is merged. A file that does not say so is refused: a wrong split gives other ids at every line's end.</summary>
    private static string Pre(GgufFile file, string?[] tokens, List<AddedToken> added)
    {
        const string Key = "tokenizer.ggml.pre";
        // A vocabulary of single bytes gives the same ids however text is split.
        var bytes = tokens.Where((token, id) => token?.Length > 1 && added.All(a => a.Id != id)).FirstOrDefault() is null;
        if (file.Metadata.TryGetValue(Key, out var pre) && pre is not string)
            throw HarnessException.BadFile(file.Path, $"metadata '{Key}' has another type", pre.GetType().Name, "String");
        var name = pre as string ?? "default";
        return name is not ("default" or "") || bytes
            ? name.Length == 0
                ? "default"
                : name
            : throw HarnessException.BadFile(
                file.Path,
                "does not say how its tokenizer splits text",
                pre is null ? $"no {Key}" : $"{Key} = '{name}'",
                string.Join(", ", Kinds),
                "convert the model again with a newer converter, or use its Hugging Face folder"
            );
    }

    /// <summary>
    /// What a name of <c>tokenizer.ggml.pre</c> stands for: pre_tokenizer of tokenizer.json, whether text is normalised (NFC), and
    /// <c>ignore_merges</c>.
    /// </summary>
    internal static (string PreTokenizer, bool Nfc, bool IgnoreMerges)? Kind(string name)
    {
        var plain = TokenizerDocument.ByteLevel(regex: true);
        return name switch
        {
            "default" or "gpt-2" or "gpt2" or "olmo" or "phi-2" or "jina-es" => (plain, name == "olmo", false),
            "smollm" or "starcoder" or "refact" or "command-r" or "codeshell" => (Then("""{"type":"Digits","individual_digits":true}""", plain), false, false),
            "llama-bpe" or "llama3" or "llama-v3" or "dbrx" or "smaug-bpe" => (Pattern(@"\p{N}{1,3}"), false, name is not ("dbrx" or "smaug-bpe")),
            "qwen2" or "deepseek-r1-qwen" => (Pattern(@"\p{N}"), true, false),
            "tekken" => (Then(TokenizerDocument.Split(Tekken), TokenizerDocument.ByteLevel(regex: false)), false, true),
            _ => null,
        };

        static string Then(string first, string second) => TokenizerDocument.Sequence("pretokenizers", first, second);
        static string Pattern(string digits) => Then(TokenizerDocument.Split(Cl100kHead + digits + Cl100kTail), TokenizerDocument.ByteLevel(regex: false));
    }

    // SentencePiece's BPE joins the pair whose joint token has the best score: as merges, in order of score.
    private static byte[] SentencePiece(GgufFile file, string[] tokens, int[] types, List<AddedToken> added, string? post)
    {
        var scores = file.Require<float[]>("tokenizer.ggml.scores");
        if (scores.Length != tokens.Length)
            throw HarnessException.BadFile(file.Path, "tokens and scores differ in number", $"{scores.Length} scores", $"{tokens.Length}");
        var ids = new Dictionary<string, int>(StringComparer.Ordinal);
        for (var id = 0; id < tokens.Length; id++)
            ids[tokens[id]] = id;
        var merges = new List<(int Id, int Left, int Right)>();
        for (var id = 0; id < tokens.Length; id++)
        {
            if (types[id] is not (1 or 4))
                continue;
            var token = tokens[id];
            for (var cut = 1; cut < token.Length; cut++)
            {
                if (
                    ids.TryGetValue(token[..cut], out var left)
                    && ids.TryGetValue(token[cut..], out var right)
                    && types[left] is 1 or 4
                    && types[right] is 1 or 4
                )
                {
                    merges.Add((id, left, right));
                }
            }
        }

        merges.Sort((a, b) => scores[b.Id] != scores[a.Id] ? scores[b.Id].CompareTo(scores[a.Id]) : (a.Id, a.Left, a.Right).CompareTo((b.Id, b.Left, b.Right)));
        var prefix = Flag(file, "add_space_prefix") ?? true;
        var normalizer = prefix ? TokenizerDocument.Sequence("normalizers", """{"type":"Prepend","prepend":"▁"}""", MarkReplaced) : MarkReplaced;
        var decoder = TokenizerDocument.Sequence("decoders", prefix ? MarkDecoded + """,{"type":"Strip","content":" ","start":1,"stop":0}""" : MarkDecoded);
        return TokenizerDocument.Tokenizer(
            added,
            normalizer,
            null,
            post,
            decoder,
            tokens,
            merges.Select(merge => (tokens[merge.Left], tokens[merge.Right])),
            new BpeOptions(false, true, true, false, Token(file, tokens, "unknown_token_id"))
        );
    }

    private static string[] Distinct(GgufFile file, string[] tokens)
    {
        var seen = new HashSet<string>(StringComparer.Ordinal);
        foreach (var token in tokens)
        {
            if (!seen.Add(token))
                throw HarnessException.BadFile(file.Path, "has a token twice", $"'{token}'", "distinct tokenizer.ggml.tokens");
        }

        return tokens;
    }

    private static bool BeginsWithBos(GgufFile file) =>
        file.Metadata.TryGetValue("tokenizer.ggml.pre", out var pre) && pre is "llama-bpe" or "llama3" or "llama-v3" or "tekken";

    private static bool? Flag(GgufFile file, string key) =>
        !file.Metadata.TryGetValue("tokenizer.ggml." + key, out var value)
            ? null
            : value as bool? ?? throw HarnessException.BadFile(file.Path, $"metadata 'tokenizer.ggml.{key}' has another type", value.GetType().Name, "Boolean");

    private static string? Token(GgufFile file, string[] tokens, string key)
    {
        if (file.Integer("tokenizer.ggml." + key) is not { } id)
            return null;
        return id >= 0 && id < tokens.Length
            ? tokens[id]
            : throw HarnessException.BadFile(file.Path, $"tokenizer.ggml.{key} is not an id", $"{id}", $"0 to {tokens.Length - 1}");
    }

    internal static Dictionary<string, string> Templates(GgufFile file)
    {
        const string Key = "tokenizer.chat_template";
        var templates = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var (key, value) in file.Metadata)
        {
            if (key != Key && !key.StartsWith(Key + ".", StringComparison.Ordinal))
                continue;
            if (value is not string template)
                throw HarnessException.BadFile(file.Path, $"metadata '{key}' has another type", value.GetType().Name, "String");
            templates[key == Key ? "default" : key[(Key.Length + 1)..]] = template;
        }

        return templates;
    }
}
