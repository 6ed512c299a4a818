using System.Text.Json.Nodes;
using RlHarness.Core.Errors;
using RlHarness.Formats.Files;
using RlHarness.Formats.Tokenizers;
using RlHarness.Tests;

namespace RlHarness.Formats.Tests.Tokenizers;

[Trait("kind", "contract")]
public sealed class BadTokenizerTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("rlharness").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void A_folder_without_a_tokenizer_says_what_is_missing() => Refused("tokenizer.json");

    [Theory]
    [InlineData("", "no content")]
    [InlineData("{", "JSON")]
    [InlineData("[]", "object")]
    [InlineData("{}", "model")]
    [InlineData("{\"model\":{\"type\":\"Unigram\",\"vocab\":[]},\"decoder\":{\"type\":\"ByteLevel\"}}", "Unigram")]
    [InlineData("{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":-1},\"merges\":[]}}", "impossible id")]
    [InlineData("{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":2147483647},\"merges\":[]}}", "impossible id")]
    [InlineData("{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0},\"merges\":[\"a b\"]}}", "merge 0")]
    [InlineData("{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0},\"merges\":[7]}}", "merge")]
    [InlineData("{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0},\"merges\":[],\"unk_token\":\"?\"}}", "unk_token")]
    [InlineData("{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0},\"merges\":[],\"end_of_word_suffix\":\"</w>\"}}", "end_of_word_suffix")]
    [InlineData("{\"model\":{\"type\":\"BPE\",\"vocab\":7,\"merges\":[]}}", "form")]
    [InlineData("{\"model\":{\"type\":\"BPE\",\"vocab\":{},\"merges\":[]},\"pre_tokenizer\":{\"type\":\"BertPreTokenizer\"}}", "BertPreTokenizer")]
    [InlineData("{\"model\":{\"type\":\"BPE\",\"vocab\":{},\"merges\":[]},\"normalizer\":{\"type\":\"StripAccents\"}}", "StripAccents")]
    [InlineData("{\"model\":{\"type\":\"BPE\",\"vocab\":{},\"merges\":[]}}", "decoder")]
    public void A_malformed_or_foreign_tokenizer_is_named_and_not_guessed_at(string json, string says)
    {
        File.WriteAllText(Path.Combine(_folder, "tokenizer.json"), json);
        Refused(says);
    }

    [Theory]
    [InlineData("eos_token")]
    [InlineData("pad_token")]
    [InlineData("bos_token")]
    public void A_special_token_that_the_vocabulary_lacks_is_named(string name)
    {
        Copy("smollm");
        Change("tokenizer_config.json", json => json[name] = "<|nowhere|>");
        Refused("<|nowhere|>");
    }

    [Fact]
    public void A_special_token_of_the_settings_that_is_only_in_the_vocabulary_is_found_in_text()
    {
        Copy("gpt2_bytelevel");
        Change("tokenizer.json", json => json["added_tokens"] = new JsonArray());
        var tokenizer = Tokenizer.Load(_folder);
        Assert.Equal([tokenizer.EosId!.Value], tokenizer.Encode("<|endoftext|>"));
        Assert.True(tokenizer.IsSpecial(tokenizer.EosId.Value));
    }

    [Fact]
    public void A_cut_configuration_is_refused()
    {
        Copy("smollm");
        File.WriteAllText(Path.Combine(_folder, "tokenizer_config.json"), "{\"bos_token\":");
        Refused("tokenizer_config.json");
    }

    [Fact]
    public void A_gguf_file_with_another_kind_of_tokenizer_is_refused()
    {
        var path = Path.Combine(_folder, "a.gguf");
        GgufWriter.Write(
            path,
            new Dictionary<string, object>
            {
                ["tokenizer.ggml.model"] = "bert",
                ["tokenizer.ggml.tokens"] = new[] { "a" },
                ["tokenizer.ggml.token_type"] = new[] { 1 },
            },
            []
        );
        using var file = GgufFile.Open(path);
        Assert.Contains("bert", Assert.Throws<HarnessException>(() => Tokenizer.FromGguf(file)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_token_that_is_needed_but_absent_is_named()
    {
        var tokenizer = TokenizerGoldenTests.Get("smollm");
        Assert.Null(tokenizer.IdOf("<think>"));
        Assert.Contains("<think>", Assert.Throws<HarnessException>(() => tokenizer.RequireId("<think>")).Message, StringComparison.Ordinal);
        Assert.Throws<ArgumentOutOfRangeException>(() => tokenizer.TokenOf(tokenizer.VocabularySize));
    }

    [Fact]
    public void A_lone_surrogate_is_encoded_as_the_replacement_character()
    {
        var tokenizer = TokenizerGoldenTests.Get("gpt2_bytelevel");
        Assert.Equal("a\uFFFDb", tokenizer.Decode(tokenizer.Encode("a\uD83Db")));
        Assert.Equal(3, tokenizer.EncodeWithSpans("a\uD83Db").Spans[^1].End);
    }

    [Theory]
    [InlineData(true, new[] { 1, 0, 1 }, new[] { 0, 1, 1, 4, 4, 5 })]
    [InlineData(false, new[] { 1, 0, 0, 1 }, new[] { 0, 1, 1, 2, 2, 4, 4, 5 })]
    public void Unknown_characters_become_one_token_together_or_one_each(bool fuse, int[] ids, int[] spans)
    {
        File.WriteAllText(
            Path.Combine(_folder, "tokenizer.json"),
            $$$"""
            {"model":{"type":"BPE","unk_token":"<unk>","fuse_unk":{{{(fuse ? "true" : "false")}}},"vocab":{"<unk>":0,"a":1},"merges":[]},
            "decoder":{"type":"Fuse"}}
            """
        );
        var encoded = Tokenizer.Load(_folder).EncodeWithSpans("aé\U0001F600a");
        Assert.Equal(ids, encoded.Ids);
        Assert.Equal(spans, encoded.Spans.SelectMany(span => new[] { span.Start, span.End }));
    }

    [Fact]
    public async Task Many_threads_get_the_same_ids()
    {
        var tokenizer = Tokenizer.Load(Golden.Require("tokenizers", "llama3"));
        var texts = TokenizerGoldenTests
            .Rows("llama3", "random.json")
            .Select(row => (Text: row.GetProperty("text").GetString()!, Ids: TokenizerGoldenTests.Ids(row, "ids")))
            .ToList();
        var results = await Task.WhenAll(
            Enumerable.Range(0, 4).Select(_ => Task.Run(() => texts.All(pair => tokenizer.Encode(pair.Text).AsSpan().SequenceEqual(pair.Ids))))
        );
        Assert.DoesNotContain(false, results);
    }

    private void Refused(string says)
    {
        var error = Assert.Throws<HarnessException>(() => Tokenizer.Load(_folder));
        Assert.Equal(ErrorKind.BadFile, error.Kind);
        Assert.Contains(says, error.Message, StringComparison.Ordinal);
        Assert.Contains(_folder, error.Message, StringComparison.Ordinal);
    }

    private void Copy(string name)
    {
        foreach (var file in Directory.GetFiles(Golden.Require("tokenizers", name), "*token*.json").AtLeastOne())
            File.Copy(file, Path.Combine(_folder, Path.GetFileName(file)));
    }

    private void Change(string file, Action<JsonNode> change)
    {
        var json = JsonNode.Parse(File.ReadAllText(Path.Combine(_folder, file)))!;
        change(json);
        File.WriteAllText(Path.Combine(_folder, file), json.ToJsonString());
    }
}
