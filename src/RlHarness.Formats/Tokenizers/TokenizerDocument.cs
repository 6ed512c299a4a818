using System.Text.Encodings.Web;
using System.Text.Json;

namespace RlHarness.Formats.Tokenizers;

/// <summary>Writes the files of a tokenizer that did not come from a folder.</summary>
internal static class TokenizerDocument
{
    public const string ByteLevelDecoder = """{"type":"ByteLevel","add_prefix_space":true,"trim_offsets":true,"use_regex":true}""";
    private static readonly JsonWriterOptions Options = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping, Indented = true };

    public static string ByteLevel(bool regex) =>
        $$"""{"type":"ByteLevel","add_prefix_space":false,"trim_offsets":true,"use_regex":{{(regex ? "true" : "false")}}}""";

    public static string Sequence(string key, params string[] parts) => $$"""{"type":"Sequence","{{key}}":[{{string.Join(',', parts)}}]}""";

    public static string Split(string regex) =>
        $$$"""{"type":"Split","pattern":{"Regex": {{{JsonSerializer.Serialize(regex)}}} },"behavior":"Isolated","invert":false}""";

    /// <summary>A post_processor that puts a token before the text, behind it, or both.</summary>
    public static string Around((string Token, int Id)? before, (string Token, int Id)? after)
    {
        if (before is { } only && after is null)
            return Before(only.Token, only.Id);
        string Step((string Token, int Id) t) => $$$"""{"SpecialToken":{"id":{{{JsonSerializer.Serialize(t.Token)}}},"type_id":0}}""";
        string Entry((string Token, int Id) t)
        {
            var name = JsonSerializer.Serialize(t.Token);
            return $$"""{{name}}:{"id":{{name}},"ids":[{{t.Id}}],"tokens":[{{name}}]}""";
        }

        var steps = new[] { before is { } b ? Step(b) : null, """{"Sequence":{"id":"A","type_id":0}}""", after is { } a ? Step(a) : null }.OfType<string>();
        var tokens = new[] { before, after }.OfType<(string Token, int Id)>().DistinctBy(t => t.Id).Select(Entry);
        return $$"""{"type":"TemplateProcessing","single":[{{string.Join(',', steps)}}],"pair":[],"special_tokens":{ {{string.Join(',', tokens)}} } }""";
    }

    public static string Before(string token, int id)
    {
        var name = JsonSerializer.Serialize(token);
        return $$$"""
            {"type":"TemplateProcessing","single":[{"SpecialToken":{"id":{{{name}}},"type_id":0}},{"Sequence":{"id":"A","type_id":0}}],
             "pair":[{"SpecialToken":{"id":{{{name}}},"type_id":0}},{"Sequence":{"id":"A","type_id":0}},{"SpecialToken":{"id":{{{name}}},
             "type_id":1}},{"Sequence":{"id":"B","type_id":1}}],
             "special_tokens":{ {{{name}}}:{"id":{{{name}}},"ids":[{{{id}}}],"tokens":[{{{name}}}]} } }
            """;
    }

    public static byte[] Tokenizer(
        IReadOnlyList<AddedToken> added,
        string? normalizer,
        string? preTokenizer,
        string? postProcessor,
        string decoder,
        IReadOnlyList<string?> vocabulary,
        IEnumerable<(string Left, string Right)> merges,
        BpeOptions options
    ) =>
        Write(json =>
        {
            json.WriteString("version", "1.0");
            json.WriteNull("truncation");
            json.WriteNull("padding");
            json.WriteStartArray("added_tokens");
            foreach (var token in added)
            {
                json.WriteStartObject();
                json.WriteNumber("id", token.Id);
                json.WriteString("content", token.Content);
                json.WriteBoolean("single_word", token.SingleWord);
                json.WriteBoolean("lstrip", token.LStrip);
                json.WriteBoolean("rstrip", token.RStrip);
                json.WriteBoolean("normalized", token.Normalized);
                json.WriteBoolean("special", token.Special);
                json.WriteEndObject();
            }

            json.WriteEndArray();
            foreach (
                var (key, part) in ((string, string?)[])
                    [("normalizer", normalizer), ("pre_tokenizer", preTokenizer), ("post_processor", postProcessor), ("decoder", decoder)]
            )
            {
                json.WritePropertyName(key);
                json.WriteRawValue(part ?? "null");
            }

            json.WriteStartObject("model");
            json.WriteString("type", "BPE");
            json.WriteNull("dropout");
            json.WriteString("unk_token", options.Unknown);
            json.WriteNull("continuing_subword_prefix");
            json.WriteNull("end_of_word_suffix");
            json.WriteBoolean("fuse_unk", options.FuseUnknown);
            json.WriteBoolean("byte_fallback", options.ByteFallback);
            json.WriteBoolean("ignore_merges", options.IgnoreMerges);
            json.WriteStartObject("vocab");
            for (var id = 0; id < vocabulary.Count; id++)
            {
                if (vocabulary[id] is { } token)
                    json.WriteNumber(token, id);
            }

            json.WriteEndObject();
            json.WriteStartArray("merges");
            foreach (var (left, right) in merges)
            {
                json.WriteStartArray();
                json.WriteStringValue(left);
                json.WriteStringValue(right);
                json.WriteEndArray();
            }

            json.WriteEndArray();
            json.WriteEndObject();
        });

    public static byte[] Config(
        IReadOnlyList<AddedToken> added,
        string? bos,
        string? eos,
        string? pad,
        string? unknown,
        IReadOnlyDictionary<string, string> chatTemplates
    ) =>
        Write(json =>
        {
            json.WriteStartObject("added_tokens_decoder");
            foreach (var token in added)
            {
                json.WriteStartObject(token.Id.ToString(System.Globalization.CultureInfo.InvariantCulture));
                json.WriteString("content", token.Content);
                json.WriteBoolean("lstrip", token.LStrip);
                json.WriteBoolean("normalized", token.Normalized);
                json.WriteBoolean("rstrip", token.RStrip);
                json.WriteBoolean("single_word", token.SingleWord);
                json.WriteBoolean("special", token.Special);
                json.WriteEndObject();
            }

            json.WriteEndObject();
            json.WriteString("bos_token", bos);
            json.WriteBoolean("clean_up_tokenization_spaces", false);
            json.WriteString("eos_token", eos);
            json.WriteString("pad_token", pad);
            json.WriteString("unk_token", unknown);
            json.WriteString("tokenizer_class", "PreTrainedTokenizerFast");
            if (chatTemplates.Count == 1 && chatTemplates.TryGetValue("default", out var only))
            {
                json.WriteString("chat_template", only);
            }
            else if (chatTemplates.Count > 0)
            {
                json.WriteStartArray("chat_template");
                foreach (var (name, template) in chatTemplates)
                {
                    json.WriteStartObject();
                    json.WriteString("name", name);
                    json.WriteString("template", template);
                    json.WriteEndObject();
                }

                json.WriteEndArray();
            }
        });

    private static byte[] Write(Action<Utf8JsonWriter> body)
    {
        using var stream = new MemoryStream();
        using (var json = new Utf8JsonWriter(stream, Options))
        {
            json.WriteStartObject();
            body(json);
            json.WriteEndObject();
        }

        stream.WriteByte((byte)'\n');
        return stream.ToArray();
    }
}
