using System.Text.Json;
using RlHarness.Core.Errors;

namespace RlHarness.Formats.Tokenizers;

/// <summary>The parts of a tokenizer as <c>tokenizer.json</c> describes them.</summary>
internal sealed record TokenizerParts(
    List<AddedToken> Added,
    Normalizer? Normalizer,
    List<PreTokenizer> PreTokenizers,
    BpeModel Model,
    TokenDecoder Decoder,
    PostProcessor PostProcessor
)
{
    /// <summary>What the file says and the reference library reads otherwise.</summary>
    public IReadOnlyList<string> Notes { get; init; } = [];
}

/// <summary>Reads <c>tokenizer.json</c>; a part that it does not know is refused by name, since leaving it out would give other ids.</summary>
internal sealed class TokenizerReader(string path)
{
    public const char Mark = '\u2581';

    // ten times the largest vocabulary in use; a broken id must not ask for gigabytes
    private const int LargestId = 1 << 22,
        Gaps = 1 << 18,
        LongestPattern = 1 << 14;

    private readonly List<string> _notes = [];

    public TokenizerParts Read(ReadOnlyMemory<byte> json)
    {
        try
        {
            using var document = JsonDocument.Parse(json, new JsonDocumentOptions { AllowDuplicateProperties = false });
            if (document.RootElement.ValueKind != JsonValueKind.Object)
                throw Bad("is not a JSON object", document.RootElement.ValueKind.ToString(), "an object with 'model'");
            return Read(document.RootElement);
        }
        catch (JsonException e)
        {
            throw HarnessException.BadFile(path, "is not JSON", e.Message, "a tokenizer.json of the tokenizers library", "fetch the file again", e);
        }
        catch (Exception e)
            when (e is InvalidOperationException or FormatException or KeyNotFoundException or OverflowException or InsufficientExecutionStackException)
        {
            throw HarnessException.BadFile(path, "does not have the form of a tokenizer.json", e.Message, remedy: "fetch the file again", inner: e);
        }
    }

    private TokenizerParts Read(JsonElement root)
    {
        var byteLevel = false;
        var pre = new List<PreTokenizer>();
        if (Part(root, "pre_tokenizer") is { } preTokenizer)
            ReadPreTokenizer(preTokenizer, pre, ref byteLevel);
        var normalizer = Part(root, "normalizer") is { } rewriting ? ReadNormalizer(rewriting) : null;
        var (model, crosses) = ReadModel(Part(root, "model") ?? throw Bad("has no model", "null", "a BPE model"), byteLevel);
        if (!byteLevel && !crosses)
            pre.Add(new MarkBoundaryPreTokenizer(Mark));
        var added = Part(root, "added_tokens") is { } tokens ? ReadAdded(tokens, model) : [];
        var decoder = Part(root, "decoder") is { } decoding
            ? ReadDecoder(decoding)
            : throw Bad("has no decoder", "null", "ByteLevel, or Replace, ByteFallback, Fuse, Strip, Metaspace");
        var post = Part(root, "post_processor") is { } processing ? ReadPostProcessor(processing) : PostProcessor.None;
        return new TokenizerParts(added, normalizer, pre, model, decoder, post) { Notes = _notes };
    }

    private static JsonElement? Part(JsonElement parent, string key) =>
        parent.TryGetProperty(key, out var part) && part.ValueKind != JsonValueKind.Null ? part : null;

    private static string Type(JsonElement part) => part.TryGetProperty("type", out var type) ? type.GetString() ?? "" : "";

    private static bool Flag(JsonElement part, string key, bool absent = false) => Part(part, key) is { } flag ? flag.GetBoolean() : absent;

    // GetString gives null for null, which is no text anywhere in this file.
    private static string Text(JsonElement element) => element.GetString() ?? throw new FormatException("null in place of a text");

    private HarnessException Bad(string what, string? found = null, string? expected = null) => HarnessException.BadFile(path, what, found, expected);

    private HarnessException Unknown(string part, string found, string known) =>
        HarnessException.BadFile(path, $"has a {part} that is not supported", $"'{found}'", known, "use a model of a supported family (docs/tokenizers.md)");

    private Normalizer ReadNormalizer(JsonElement part)
    {
        switch (Type(part))
        {
            case "NFC":
                return new NfcNormalizer();
            case "Prepend":
                return new PrependNormalizer(Text(part.GetProperty("prepend")));
            case "Replace":
                return new ReplaceNormalizer(ReadPattern(part.GetProperty("pattern")), Text(part.GetProperty("content")));
            case "Sequence":
                return new NormalizerSequence([.. part.GetProperty("normalizers").EnumerateArray().Select(ReadNormalizer)]);
            default:
                throw Unknown("normalizer", Type(part), "NFC, Prepend, Replace, Sequence");
        }
    }

    private Pattern ReadPattern(JsonElement pattern)
    {
        if (pattern.TryGetProperty("String", out var literal))
            return new LiteralPattern(Text(literal));
        if (!pattern.TryGetProperty("Regex", out var regex))
            throw Unknown("pattern", pattern.GetRawText(), "{\"String\": …} or {\"Regex\": …}");
        var text = Text(regex);
        if (text.Length > LongestPattern)
            throw Bad("has a split pattern that is too long", $"{text.Length} characters", $"at most {LongestPattern}");
        try
        {
            return (Pattern?)KnownPattern.For(text) ?? CodePointRegex.Parse(text);
        }
        catch (Exception e) when (e is FormatException or OverflowException or ArgumentException or InsufficientExecutionStackException)
        {
            throw HarnessException.BadFile(
                path,
                "has a split pattern that is not understood",
                $"{text} ({e.Message})",
                "groups, classes, quantifiers, look-around",
                inner: e
            );
        }
    }

    private void ReadPreTokenizer(JsonElement part, List<PreTokenizer> output, ref bool byteLevel)
    {
        if (byteLevel)
            throw Bad("has a pre_tokenizer after ByteLevel", Type(part), "ByteLevel last");
        switch (Type(part))
        {
            case "Sequence":
                foreach (var inner in part.GetProperty("pretokenizers").EnumerateArray())
                    ReadPreTokenizer(inner, output, ref byteLevel);
                break;
            case "ByteLevel":
                if (Flag(part, "add_prefix_space", absent: true))
                    output.Add(new PrefixSpacePreTokenizer());
                if (Flag(part, "use_regex", absent: true))
                    output.Add(new SplitPreTokenizer(KnownPattern.For(KnownPattern.Gpt2)!, SplitBehavior.Isolated, invert: false));
                byteLevel = true;
                break;
            case "Split":
                if (!Enum.TryParse<SplitBehavior>(part.GetProperty("behavior").GetString(), out var behavior) || !Enum.IsDefined(behavior))
                    throw Unknown("split behavior", part.GetProperty("behavior").GetRawText(), string.Join(", ", Enum.GetNames<SplitBehavior>()));
                output.Add(new SplitPreTokenizer(ReadPattern(part.GetProperty("pattern")), behavior, Flag(part, "invert")));
                break;
            case "Digits":
                output.Add(
                    new SplitPreTokenizer(
                        new DigitPattern(),
                        Flag(part, "individual_digits") ? SplitBehavior.Isolated : SplitBehavior.Contiguous,
                        invert: false
                    )
                );
                break;
            case "Metaspace":
                var mark = Text(part.GetProperty("replacement"));
                var scheme = Part(part, "prepend_scheme")?.GetString() ?? (Flag(part, "add_prefix_space", absent: true) ? "always" : "never");
                if (!Enum.TryParse<PrependScheme>(scheme, ignoreCase: true, out var prepend) || !Enum.IsDefined(prepend))
                    throw Unknown("prepend_scheme", scheme, "always, first, never");
                output.Add(new MetaspacePreTokenizer(mark, prepend, Flag(part, "split", absent: true)));
                break;
            default:
                throw Unknown("pre_tokenizer", Type(part), "ByteLevel, Split, Digits, Metaspace, Sequence");
        }
    }

    private (BpeModel Model, bool Crosses) ReadModel(JsonElement part, bool byteLevel)
    {
        if (part.TryGetProperty("type", out var type) && type.GetString() != "BPE")
            throw Unknown("model", type.GetString() ?? "", "BPE");
        foreach (var key in (string[])["continuing_subword_prefix", "end_of_word_suffix"])
        {
            if (Part(part, key)?.GetString() is { Length: > 0 } affix)
                throw Unknown($"model.{key}", affix, "none");
        }

        var taken = new HashSet<int>();
        var vocabulary = part.GetProperty("vocab");
        var ids = new Dictionary<string, int>(StringComparer.Ordinal);
        foreach (var entry in vocabulary.EnumerateObject())
        {
            if (!entry.Value.TryGetInt32(out var id) || id is < 0 or > LargestId)
                throw Bad($"token '{entry.Name}' has an impossible id", entry.Value.GetRawText(), $"0 to {LargestId}");
            if (!taken.Add(id))
                throw Bad($"token '{entry.Name}' has the id of another", $"{id}", "each id once");
            ids[entry.Name] = id;
        }

        // Tables are as long as the largest id: in a small file it must not be a large one.
        if (taken.Count > 0 && taken.Max() > 2 * taken.Count + Gaps)
            throw Bad("has an id far beyond its vocabulary", $"{taken.Max()} among {taken.Count} tokens", $"at most {2 * taken.Count + Gaps}");

        var merges = new Dictionary<long, (int, int)>();
        var crosses = Flag(part, "ignore_merges") || !ids.ContainsKey(Mark.ToString());
        var rank = 0;
        foreach (var merge in part.GetProperty("merges").EnumerateArray())
        {
            var (left, right) = Pair(merge);
            if (!ids.TryGetValue(left, out var leftId) || !ids.TryGetValue(right, out var rightId) || !ids.TryGetValue(left + right, out var joined))
            {
                throw Bad($"merge {rank} joins tokens that the vocabulary lacks", $"'{left}' + '{right}'", "both parts and their joint form in model.vocab");
            }

            crosses |= Crosses(left + right);
            merges[BpeModel.Key(leftId, rightId)] = (rank++, joined);
        }

        var unknown = Part(part, "unk_token")?.GetString();
        if (unknown is not null && !ids.ContainsKey(unknown))
            throw Bad("unk_token is not in the vocabulary", $"'{unknown}'", "a token of model.vocab");
        var options = new BpeOptions(byteLevel, Flag(part, "byte_fallback"), Flag(part, "fuse_unk"), Flag(part, "ignore_merges"), unknown);
        return (new BpeModel(ids, merges, options), crosses);
    }

    private (string Left, string Right) Pair(JsonElement merge)
    {
        if (merge.ValueKind == JsonValueKind.Array && merge.GetArrayLength() == 2)
            return (Text(merge[0]), Text(merge[1]));
        if (merge.ValueKind == JsonValueKind.String && Text(merge).Split(' ') is [var left, var right])
            return (left, right);
        throw Bad("has a merge of an unknown form", merge.GetRawText(), "\"a b\" or [\"a\", \"b\"]");
    }

    private static bool Crosses(string token)
    {
        for (var i = 1; i < token.Length; i++)
        {
            if (token[i] == Mark && token[i - 1] != Mark)
                return true;
        }

        return false;
    }

    private List<AddedToken> ReadAdded(JsonElement tokens, BpeModel model)
    {
        var added = new List<AddedToken>();
        var seen = new HashSet<int>();
        var contents = new HashSet<string>(StringComparer.Ordinal);
        var highest = -1;
        foreach (var token in tokens.EnumerateArray())
        {
            var content = Text(token.GetProperty("content"));
            if (content.Length == 0)
                throw Bad("has an added token without content", token.GetRawText());
            var stated = token.GetProperty("id").GetInt32();
            if (stated is < 0 or > LargestId)
                throw Bad($"added token '{content}' has an impossible id", $"{stated}", $"0 to {LargestId}");
            if (!seen.Add(stated) || !contents.Add(content))
                throw Bad($"added token '{content}' is there twice, or another has its id", $"id {stated}", "each token and each id once");
            // `tokenizers` numbers them anew in their order, behind the vocabulary, and only warns where the file states another id.
            var id = model.Ids.TryGetValue(content, out var known) ? known : Math.Max(highest + 1, model.Ids.Count);
            highest = Math.Max(highest, id);
            if (id != stated)
                _notes.Add($"{path}: added token '{content}' has the id {id}, as in the tokenizers library, and not {stated}, which the file states");
            added.Add(
                new AddedToken(
                    content,
                    id,
                    Flag(token, "single_word"),
                    Flag(token, "lstrip"),
                    Flag(token, "rstrip"),
                    Flag(token, "normalized", absent: !Flag(token, "special")),
                    Flag(token, "special")
                )
            );
        }

        return added;
    }

    private TokenDecoder ReadDecoder(JsonElement part)
    {
        var parts = Type(part) == "Sequence" ? [.. part.GetProperty("decoders").EnumerateArray()] : (JsonElement[])[part];
        var replacements = new List<(string, string)>();
        var (byteLevel, byteFallback, strip, start) = (false, false, '\0', 0);
        foreach (var step in parts)
        {
            switch (Type(step))
            {
                case "ByteLevel":
                    byteLevel = true;
                    break;
                case "ByteFallback":
                    byteFallback = true;
                    break;
                case "Fuse":
                    break;
                case "Replace" when step.GetProperty("pattern").TryGetProperty("String", out var old) && old.GetString() is { Length: > 0 } text:
                    replacements.Add((text, Text(step.GetProperty("content"))));
                    break;
                case "Strip" when step.GetProperty("stop").GetInt32() == 0:
                    var stripped = Text(step.GetProperty("content"));
                    start = step.GetProperty("start").GetInt32();
                    if (stripped.Length != 1 || start < 0)
                        throw Bad("has a Strip decoder of an unknown form", step.GetRawText(), "one character, and a start of 0 or more");
                    strip = stripped[0];
                    break;
                case "Metaspace":
                    replacements.Add((Text(step.GetProperty("replacement")), " "));
                    var scheme = Part(step, "prepend_scheme")?.GetString() ?? (Flag(step, "add_prefix_space", absent: true) ? "always" : "never");
                    if (scheme != "never")
                        (strip, start) = (' ', 1);
                    break;
                default:
                    throw Unknown("decoder", step.GetRawText(), "ByteLevel, Replace of a string, ByteFallback, Fuse, Strip at the start, Metaspace, Sequence");
            }
        }

        if (byteLevel && parts.Length > 1)
            throw Unknown("decoder", "a sequence with ByteLevel", "ByteLevel alone");
        return new TokenDecoder(byteLevel, replacements, byteFallback, strip, start);
    }

    private PostProcessor ReadPostProcessor(JsonElement part)
    {
        switch (Type(part))
        {
            case "ByteLevel":
                return PostProcessor.None with { Trims = Flag(part, "trim_offsets", absent: true) ? [Flag(part, "add_prefix_space", absent: true)] : [] };
            case "Sequence":
                var all = PostProcessor.None;
                foreach (var inner in part.GetProperty("processors").EnumerateArray())
                {
                    var next = ReadPostProcessor(inner);
                    all = new PostProcessor([.. next.Before, .. all.Before], [.. all.After, .. next.After], [.. all.Trims, .. next.Trims]);
                }

                return all;
            case "TemplateProcessing":
                return ReadTemplate(part);
            default:
                throw Unknown("post_processor", Type(part), "ByteLevel, TemplateProcessing, Sequence");
        }
    }

    private PostProcessor ReadTemplate(JsonElement part)
    {
        var (before, after, seen) = (new List<int>(), new List<int>(), false);
        foreach (var step in part.GetProperty("single").EnumerateArray())
        {
            if (step.TryGetProperty("Sequence", out _))
            {
                if (seen)
                    throw Bad("post_processor puts the text twice", part.GetProperty("single").GetRawText(), "once");
                seen = true;
                continue;
            }

            var name = Text(step.GetProperty("SpecialToken").GetProperty("id"));
            foreach (var id in part.GetProperty("special_tokens").GetProperty(name).GetProperty("ids").EnumerateArray())
                (seen ? after : before).Add(id.GetInt32());
        }

        return PostProcessor.None with
        {
            Before = before,
            After = after,
        };
    }
}
