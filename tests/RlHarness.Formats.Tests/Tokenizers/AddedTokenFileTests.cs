using System.Text.Json.Nodes;
using RlHarness.Core.Errors;
using RlHarness.Formats.Files;
using RlHarness.Formats.Tokenizers;
using RlHarness.Tests;

namespace RlHarness.Formats.Tests.Tokenizers;

/// <summary>Tokens and flags that stand beside tokenizer.json alone, and how text is split in GGUF.</summary>
[Trait("kind", "contract")]
public sealed class AddedTokenFileTests : IDisposable
{
    private const string Text = "<|im_start|>user\nhi<|im_end|>\n";
    private readonly DirectoryInfo _root = Directory.CreateTempSubdirectory("rlharness-added-");

    private string Folder => _root.FullName;

    public void Dispose() => _root.Delete(recursive: true);

    // shared/faults/BR-33; the ids are those of transformers' AutoTokenizer, which numbers a new token after the last one.
    [Theory]
    [InlineData("added_tokens_decoder", 861, 862, true)]
    [InlineData("added_tokens.json", 861, 862, true)]
    [InlineData("extra_special_tokens", 853, 854, true)]
    [InlineData("flags", 853, 854, false)]
    public void Tokens_of_the_files_beside_it_are_there(string where, int start, int end, bool newline)
    {
        var tokenizer = Json("tokenizer.json");
        var config = Json("tokenizer_config.json");
        var listed = tokenizer["added_tokens"]!.AsArray();
        JsonObject Token(string content) =>
            new()
            {
                ["content"] = content,
                ["lstrip"] = false,
                ["rstrip"] = false,
                ["normalized"] = false,
                ["single_word"] = false,
                ["special"] = true,
            };
        var two = listed.Where(t => (int)t!["id"]! is 853 or 854).ToArray();
        var declared = new JsonObject();
        if (where == "flags")
        {
            two[0]!["content"] = "<|im_start|>";
            two[1]!["content"] = "<|im_end|>";
        }
        else
        {
            foreach (var token in two)
                listed.Remove(token);
        }

        foreach (var token in listed)
            declared[$"{(int)token!["id"]!}"] = Token((string)token["content"]!);
        config.Remove("added_tokens_decoder");
        switch (where)
        {
            case "added_tokens_decoder":
                declared["853"] = Token("<|im_start|>");
                declared["854"] = Token("<|im_end|>");
                config["added_tokens_decoder"] = declared;
                break;
            case "added_tokens.json":
                File.WriteAllText(Path.Combine(Folder, where), """{"<|im_start|>": 853, "<|im_end|>": 854}""");
                break;
            case "extra_special_tokens":
                config[where] = new JsonArray("<|im_start|>", "<|im_end|>");
                tokenizer["model"]!["vocab"]!["<|im_start|>"] = 853;
                tokenizer["model"]!["vocab"]!["<|im_end|>"] = 854;
                break;
            default:
                declared["854"]!["lstrip"] = true;
                declared["854"]!["rstrip"] = true;
                config["added_tokens_decoder"] = declared;
                break;
        }

        File.WriteAllText(Path.Combine(Folder, "tokenizer.json"), tokenizer.ToJsonString());
        File.WriteAllText(Path.Combine(Folder, "tokenizer_config.json"), config.ToJsonString());
        var read = Tokenizer.Load(Folder);
        var ids = read.Encode(Text);
        Assert.Equal(start, ids[0]);
        Assert.Equal(newline ? [end, 198] : [end], ids[(newline ? ^2 : ^1)..]);
        Assert.Equal(where != "added_tokens.json", read.IsSpecial(start));
        read.Save(Path.Combine(Folder, "again"));
        Assert.Equal(ids, Tokenizer.Load(Path.Combine(Folder, "again")).Encode(Text));
    }

    [Theory]
    [InlineData("l3_none.gguf", "llama3", "llama-bpe")]
    [InlineData("q2_none.gguf", "qwen2", "qwen2")]
    public void A_GGUF_file_that_does_not_say_how_text_is_split_is_refused_and_with_it_has_the_ids_of_tokenizer_json(string file, string golden, string kind)
    {
        using var source = GgufFile.Open(Golden.Require("faults", "gguf_without_pre", file));
        Assert.Contains("tokenizer.ggml.pre", Assert.Throws<HarnessException>(() => Tokenizer.FromGguf(source)).Message, StringComparison.Ordinal);
        foreach (var pre in (string[])["default", "no-such-kind"])
        {
            using var other = With(source, pre);
            Assert.Contains(pre, Assert.Throws<HarnessException>(() => Tokenizer.FromGguf(other)).Message, StringComparison.Ordinal);
        }

        using var whole = With(source, kind);
        var tokenizer = Tokenizer.FromGguf(whole);
        foreach (var row in TokenizerGoldenTests.Rows(golden, "cases.json"))
            Assert.Equal(TokenizerGoldenTests.Ids(row, "ids"), tokenizer.Encode(row.GetProperty("text").GetString()!));
    }

    private GgufFile With(GgufFile source, string pre)
    {
        var path = Path.Combine(Folder, pre + ".gguf");
        var weights = source.Entries.Values.Select(e => new WeightSource(e.Name, e.Type, e.Shape, source.Bytes(e).ToArray())).ToArray();
        GgufWriter.Write(path, source.Metadata.Append(KeyValuePair.Create("tokenizer.ggml.pre", (object)pre)), weights);
        return GgufFile.Open(path);
    }

    private static JsonObject Json(string name) => JsonNode.Parse(File.ReadAllText(Golden.Require("tokenizers", "llama3", name)))!.AsObject();
}
