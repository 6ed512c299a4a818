using System.Text.Json;
using RlHarness.Formats.Files;
using RlHarness.Formats.Tokenizers;
using RlHarness.Tests;

namespace RlHarness.Formats.Tests.Tokenizers;

/// <summary>Every case that the `tokenizers` library wrote, equal exactly.</summary>
[Trait("kind", "arithmetic")]
public sealed class TokenizerGoldenTests(ITestOutputHelper output)
{
    private static readonly Dictionary<string, Tokenizer> Loaded = [];

    public static TheoryData<string> Names()
    {
        var data = new TheoryData<string>();
        foreach (
            var name in (string[])
                [
                    "gpt2_bytelevel",
                    "gpt_neox",
                    "smollm",
                    "llama3",
                    "qwen2",
                    "olmo2",
                    "llama2",
                    "mistral_metaspace",
                    "phi3",
                    "gemma",
                    "tekken",
                    "added_variants",
                    "smollm2_gguf",
                    "qwen3_real",
                ]
        )
        {
            data.Add(name);
        }

        return data;
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Texts_encode_to_the_same_ids_and_offsets_and_decode_to_the_same_text(string name)
    {
        var tokenizer = Get(name);
        var failures = new Failures(output);
        foreach (var row in Rows(name, "cases.json"))
        {
            var text = row.GetProperty("text").GetString()!;
            var ids = Ids(row, "ids");
            var full = Ids(row, "ids_with_special");
            var label = row.GetProperty("name").GetString()!;
            failures.Check(label, ids, tokenizer.Encode(text));
            failures.Check(label + " with special", full, tokenizer.Encode(text, addSpecialTokens: true));
            failures.Check(label + " tokens", row.GetProperty("tokens").EnumerateArray().Select(token => token.GetString()!), ids.Select(tokenizer.TokenOf));
            failures.Check(label + " decoded", row.GetProperty("decoded").GetString(), tokenizer.Decode(ids));
            failures.Check(label + " skip special", row.GetProperty("decoded_skip_special").GetString(), tokenizer.Decode(ids, skipSpecialTokens: true));
            failures.Check(label + " decoded with special", row.GetProperty("decoded_with_special").GetString(), tokenizer.Decode(full));
            var spans = tokenizer.EncodeWithSpans(text);
            failures.Check(label + " ids beside spans", ids, spans.Ids);
            failures.Check(
                label + " offsets",
                row.GetProperty("offsets").EnumerateArray().Select(pair => (pair[0].GetInt32(), pair[1].GetInt32())),
                spans.Spans.Select(span => (CodePoints(text, span.Start), CodePoints(text, span.End)))
            );
        }

        failures.AssertNone();
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Random_text_encodes_to_the_same_ids(string name)
    {
        var tokenizer = Get(name);
        var failures = new Failures(output);
        foreach (var row in Rows(name, "random.json"))
        {
            var text = row.GetProperty("text").GetString()!;
            failures.Check(text, Ids(row, "ids"), tokenizer.Encode(text));
            failures.Check(text + " spans", Ids(row, "ids"), tokenizer.EncodeWithSpans(text).Ids);
            failures.Check(text + " decoded", row.TryGetProperty("decoded", out var decoded) ? decoded.GetString() : text, tokenizer.Decode(Ids(row, "ids")));
        }

        failures.AssertNone();
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Ids_that_no_text_gives_decode_to_the_same_text(string name)
    {
        var tokenizer = Get(name);
        var failures = new Failures(output);
        foreach (var row in Rows(name, "decode.json"))
        {
            failures.Check(row.GetProperty("name").GetString()!, row.GetProperty("decoded").GetString(), tokenizer.Decode(Ids(row, "ids")));
            failures.Check(
                row.GetProperty("name") + " skip",
                row.GetProperty("decoded_skip_special").GetString(),
                tokenizer.Decode(Ids(row, "ids"), skipSpecialTokens: true)
            );
        }

        failures.AssertNone();
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Streaming_gives_out_what_is_settled_and_ends_in_the_decoded_text(string name)
    {
        var tokenizer = Get(name);
        var failures = new Failures(output);
        var waits = 0;
        foreach (var row in Rows(name, "streaming.json"))
        {
            var label = row.GetProperty("name").GetString()!;
            var decoder = tokenizer.CreateStreamingDecoder(row.GetProperty("skip_special_tokens").GetBoolean());
            var (given, allowed) = ("", "");
            failures.Check(label + " pieces", Ids(row, "ids").Length == row.GetProperty("pieces").GetArrayLength(), true);
            foreach (var (id, piece) in Ids(row, "ids").Zip(row.GetProperty("pieces").EnumerateArray()))
            {
                given += decoder.Add(id);
                allowed += piece.GetString();
                if (tokenizer.Decoder.ByteFallback)
                    failures.Check(label + " given out", true, allowed.StartsWith(given, StringComparison.Ordinal));
                else
                    failures.Check(label + " given out", allowed, given);
                if (given != allowed)
                    waits++;
            }

            failures.Check(label, row.GetProperty("text").GetString(), given + decoder.Finish());
        }

        output.WriteLine($"{waits} tokens held longer than they need be");
        failures.AssertNone();
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void What_is_saved_loads_to_the_same_tokenizer(string name)
    {
        var tokenizer = Get(name);
        var folder = Directory.CreateTempSubdirectory("rlharness").FullName;
        try
        {
            tokenizer.Save(folder);
            var again = Tokenizer.Load(folder);
            Assert.Equal(
                (tokenizer.VocabularySize, tokenizer.BosId, tokenizer.EosId, tokenizer.PadId),
                (again.VocabularySize, again.BosId, again.EosId, again.PadId)
            );
            Assert.Equal(tokenizer.ChatTemplates, again.ChatTemplates);
            foreach (var row in Rows(name, "random.json").Take(100).AtLeastOne())
                Assert.Equal(Ids(row, "ids"), again.Encode(row.GetProperty("text").GetString()!));
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    internal static Tokenizer Get(string name)
    {
        lock (Loaded)
        {
            if (Loaded.TryGetValue(name, out var tokenizer))
                return tokenizer;
            if (name == "smollm2_gguf")
            {
                using var file = GgufFile.Open(Golden.RequireModel("SmolLM2-135M-Instruct-GGUF", "SmolLM2-135M-Instruct.Q4_1.gguf"));
                tokenizer = Tokenizer.FromGguf(file);
            }
            else
            {
                tokenizer = Tokenizer.Load(Golden.Require("tokenizers", name));
            }

            return Loaded[name] = tokenizer;
        }
    }

    internal static IReadOnlyList<JsonElement> Rows(string name, string file)
    {
        using var json = JsonDocument.Parse(File.ReadAllBytes(Golden.Require("tokenizers", name, file)));
        return json.RootElement.Clone().EnumerateArray().AtLeastOne($"{name}/{file}");
    }

    internal static int[] Ids(JsonElement row, string key) => [.. row.GetProperty(key).EnumerateArray().Select(id => id.GetInt32())];

    internal static int CodePoints(string text, int units) => text.AsSpan(0, units).ToString().EnumerateRunes().Count();
}
