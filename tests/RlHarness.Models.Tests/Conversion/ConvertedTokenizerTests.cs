using System.Text.Json;
using RlHarness.Core.Chat;
using RlHarness.Core.Errors;
using RlHarness.Core.Randomness;
using RlHarness.Formats.ChatTemplates;
using RlHarness.Formats.Files;
using RlHarness.Formats.Tokenizers;
using RlHarness.Models.Conversion;
using RlHarness.Models.Decoders;
using RlHarness.Models.Families;
using RlHarness.Models.Loading;
using RlHarness.Tests;
using TorchSharp;

namespace RlHarness.Models.Tests.Conversion;

/// <summary>Tokenizers and chat templates on their way through GGUF; the witness is what the `tokenizers` library wrote of them.</summary>
[Trait("kind", "contract")]
public sealed class ConvertedTokenizerTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("rlharness-convert-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Theory]
    [InlineData("gpt2_bytelevel")]
    [InlineData("smollm")]
    [InlineData("llama3")]
    [InlineData("qwen2")]
    [InlineData("olmo2")]
    [InlineData("tekken")]
    public void Ids_and_rendered_chats_are_the_golden_ones_in_GGUF_and_back_in_a_folder(string name)
    {
        Save(name);
        ModelConverter.Convert(At("model"), At("model.gguf"), new ConversionSettings { ToGguf = true });
        ModelConverter.Convert(At("model.gguf"), At("again"), new ConversionSettings { ToGguf = false });
        foreach (var path in new[] { At("model.gguf"), At("again") })
        {
            using var model = ModelLoader.Load(path, torch.CPU);
            var tokenizer = model.Tokenizer!;
            foreach (var row in Rows(name, "cases.json"))
            {
                var text = row.GetProperty("text").GetString()!;
                Assert.Equal(Ids(row, "ids"), tokenizer.Encode(text));
                Assert.Equal(Ids(row, "ids_with_special"), tokenizer.Encode(text, addSpecialTokens: true));
                Assert.Equal(row.GetProperty("decoded_skip_special").GetString(), tokenizer.Decode(Ids(row, "ids"), skipSpecialTokens: true));
            }

            foreach (var row in Rows(name, "random.json"))
                Assert.Equal(Ids(row, "ids"), tokenizer.Encode(row.GetProperty("text").GetString()!));
            var original = Tokenizer.Load(Golden.Require("tokenizers", name));
            Assert.Equal(original.ChatTemplates, tokenizer.ChatTemplates);
            Assert.Equal((original.BosId, original.EosId, original.PadId), (tokenizer.BosId, tokenizer.EosId, tokenizer.PadId));
            if (!File.Exists(Golden.Require("tokenizers", name) + "/chat.json"))
                continue;
            foreach (var row in Rows(name, "chat.json"))
            {
                var rendered = ChatEncoder
                    .For(tokenizer, clock: new Clock())
                    .Render(
                        [.. row.GetProperty("messages").EnumerateArray().Select(ChatMessage.FromJson)],
                        row.GetProperty("add_generation_prompt").GetBoolean()
                    );
                Assert.Equal(row.GetProperty("text").GetString(), rendered);
            }
        }
    }

    [Theory]
    [InlineData("llama2", "byte fallback")]
    [InlineData("added_variants", "lstrip, rstrip")]
    public void A_tokenizer_that_GGUF_can_not_carry_is_refused_before_anything_is_written(string name, string words)
    {
        Save(name);
        var error = Assert.Throws<HarnessException>(() => ModelConverter.Convert(At("model"), At("model.gguf"), new ConversionSettings { ToGguf = true }));
        Assert.Equal(ErrorKind.BadFile, error.Kind);
        Assert.Contains(words, error.Message, StringComparison.Ordinal);
        Assert.Equal([At("model")], Directory.GetFileSystemEntries(_folder));
    }

    [Theory]
    [InlineData("gemma3_text", "family gemma3_text")]
    [InlineData("llama_linear_rope", "rope of type linear")]
    public void A_model_that_GGUF_can_not_carry_is_refused(string name, string words) =>
        Assert.Contains(
            words,
            Assert
                .Throws<HarnessException>(() => ModelConverter.Convert(Golden.Require("models", name), At("m.gguf"), new ConversionSettings { ToGguf = true }))
                .Message,
            StringComparison.Ordinal
        );

    [Fact]
    public void A_target_that_is_there_is_not_touched()
    {
        Tiny.Save(At("model"));
        File.WriteAllText(At("kept"), "mine");
        Assert.Equal(
            ErrorKind.BadInput,
            Assert.Throws<HarnessException>(() => ModelConverter.Convert(At("model"), At("kept"), new ConversionSettings { ToGguf = true })).Kind
        );
        Assert.Equal("mine", File.ReadAllText(At("kept")));
    }

    [Fact]
    public void A_folder_can_not_hold_Q8_0()
    {
        Tiny.Save(At("model"));
        Assert.Contains(
            "q8_0",
            Assert
                .Throws<HarnessException>(() => ModelConverter.Convert(At("model"), At("b"), new ConversionSettings { ToGguf = false, Type = WeightType.Q8_0 }))
                .Message,
            StringComparison.Ordinal
        );
    }

    [Fact]
    public void Two_end_tokens_stay_two()
    {
        Tiny.Save(At("model"), json => json["eos_token_id"] = new System.Text.Json.Nodes.JsonArray(5, 7));
        File.Delete(Path.Combine(At("model"), "generation_config.json"));
        ModelConverter.Convert(At("model"), At("m.gguf"), new ConversionSettings { ToGguf = true });
        using var model = ModelLoader.Load(At("m.gguf"), torch.CPU);
        Assert.Equal([5, 7], model.StopIds);
        Assert.Null(model.Tokenizer);
    }

    private string At(string name) => Path.Combine(_folder, name);

    private static IReadOnlyList<JsonElement> Rows(string name, string file)
    {
        using var json = JsonDocument.Parse(File.ReadAllBytes(Golden.Require("tokenizers", name, file)));
        return [.. json.RootElement.Clone().EnumerateArray()];
    }

    private static int[] Ids(JsonElement row, string key) => [.. row.GetProperty(key).EnumerateArray().Select(id => id.GetInt32())];

    // The instant at which the golden chats were rendered.
    private sealed class Clock : TimeProvider
    {
        public override TimeZoneInfo LocalTimeZone => TimeZoneInfo.Utc;

        public override DateTimeOffset GetUtcNow() => new(2026, 3, 7, 9, 5, 3, TimeSpan.Zero);
    }

    // A small model under a golden tokenizer, with seven embeddings more than it has tokens, as Qwen's are padded.
    private void Save(string tokenizer)
    {
        var read = Tokenizer.Load(Golden.Require("tokenizers", tokenizer));
        var config = Tiny.Config with { VocabSize = read.VocabularySize + 7, EosTokenIds = [] };
        using var decoder = new Decoder(config, torch.CPU);
        Initialization.Normal(decoder, 0.3, new Seeds(1).For("weights"));
        var family = DecoderFamilies.Find("llama")!;
        ModelSaver.Save(At("model"), decoder, family, ModelSaver.ConfigJson(config, family), read);
    }
}
