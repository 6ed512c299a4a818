using System.Text.Json;
using RlHarness.Core.Chat;
using RlHarness.Core.Errors;
using RlHarness.Formats.ChatTemplates;
using RlHarness.Formats.Tests.Tokenizers;
using RlHarness.Formats.Tokenizers;
using RlHarness.Tests;

namespace RlHarness.Formats.Tests.ChatTemplates;

[Trait("kind", "arithmetic")]
public sealed class ChatEncoderTests(ITestOutputHelper output)
{
    private const string ChatMl =
        "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + '\\n' }}{% endfor %}"
        + "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}";

    private static readonly Lazy<Tokenizer> Small = new(() =>
        BpeTrainer.Train(["hello there how are you", "one two three"], 300, ["<|pad|>", "<|im_start|>", "<|im_end|>"], ChatMl, "<|im_end|>", "<|pad|>")
    );

    [Theory]
    [InlineData("gemma")]
    [InlineData("llama2")]
    [InlineData("llama3")]
    [InlineData("mistral_metaspace")]
    [InlineData("olmo2")]
    [InlineData("phi3")]
    [InlineData("qwen2")]
    [InlineData("smollm")]
    [InlineData("tekken")]
    [InlineData("qwen3_real")]
    public void Conversations_become_the_same_ids_and_masks(string name)
    {
        var tokenizer = TokenizerGoldenTests.Get(name);
        var failures = new Failures(output);
        foreach (var row in TokenizerGoldenTests.Rows(name, "chat.json"))
        {
            var label = row.GetProperty("name").GetString()!;
            var tools = row.TryGetProperty("tools", out var given) ? given : default;
            var source =
                tools.ValueKind == JsonValueKind.Array && tokenizer.ChatTemplates.TryGetValue("tool_use", out var forTools)
                    ? forTools
                    : tokenizer.ChatTemplate!;
            var variables = tools.ValueKind == JsonValueKind.Array ? new Dictionary<string, object?> { ["tools"] = tools } : null;
            var encoder = new ChatEncoder(tokenizer, ChatTemplate.Parse(source), variables, FixedClock.Instance);
            var messages = ChatTemplateGoldenTests.Messages(row.GetProperty("messages"));
            var prompt = row.GetProperty("add_generation_prompt").GetBoolean();
            if (row.TryGetProperty("error", out _))
            {
                failures.Check(label, true, Record.Exception(() => encoder.Render(messages, prompt)) is HarnessException);
                continue;
            }

            failures.Check(label, row.GetProperty("text").GetString(), encoder.Render(messages, prompt));
            failures.Check(label + " ids", TokenizerGoldenTests.Ids(row, "ids"), tokenizer.Encode(row.GetProperty("text").GetString()!));
            if (!row.TryGetProperty("assistant_mask", out _))
                continue;
            var encoded = encoder.Encode(messages, prompt);
            failures.Check(label + " ids", TokenizerGoldenTests.Ids(row, "ids"), encoded.Ids);
            failures.Check(label + " mask", TokenizerGoldenTests.Ids(row, "assistant_mask").Select(bit => bit == 1), encoded.AssistantMask);
        }

        failures.AssertNone();
    }

    [Fact]
    public void Without_marks_the_assistant_wrote_its_content_and_the_end_of_its_turn()
    {
        var encoder = ChatEncoder.For(Small.Value);
        var chat = encoder.Encode([
            ChatMessage.System("one"),
            ChatMessage.User("hello"),
            ChatMessage.Assistant(" two <|im_end|>\n"),
            ChatMessage.User("how"),
            ChatMessage.Assistant("three"),
        ]);
        Assert.Equal(["two <|im_end|>\n<|im_end|>", "three<|im_end|>"], chat.AssistantSpans.Select(span => chat.Text[span.Start..span.End].TrimStart()));
        Assert.Equal(
            " two <|im_end|>\n<|im_end|>three<|im_end|>",
            encoder.Tokenizer.Decode(chat.Ids.Zip(chat.AssistantMask).Where(pair => pair.Second).Select(pair => pair.First))
        );
    }

    [Fact]
    public void A_prompt_has_nothing_of_the_assistant()
    {
        var encoder = ChatEncoder.For(Small.Value);
        var chat = encoder.Encode([ChatMessage.User("hello")], addGenerationPrompt: true);
        Assert.DoesNotContain(true, chat.AssistantMask);
        Assert.Equal(chat.Ids, encoder.EncodePrompt([ChatMessage.User("hello")]));
        Assert.EndsWith("<|im_start|>assistant\n", chat.Text, StringComparison.Ordinal);
    }

    [Fact]
    public void Marked_and_unmarked_templates_give_the_same_mask()
    {
        const string Marked =
            "{% for m in messages %}{{ '<|im_start|>' + m.role + '\\n' }}{% if m.role == 'assistant' %}{% generation %}{{ m.content + "
            + "'<|im_end|>' }}{% endgeneration %}"
            + "{% else %}{{ m.content + '<|im_end|>' }}{% endif %}{{ '\\n' }}{% endfor %}{% if add_generation_prompt %}{{ "
            + "'<|im_start|>assistant\\n' }}{% endif %}";
        ChatMessage[] messages = [ChatMessage.User("hello"), ChatMessage.Assistant("two  "), ChatMessage.User("how"), ChatMessage.Assistant("")];
        var first = ChatEncoder.For(Small.Value).Encode(messages);
        var second = new ChatEncoder(Small.Value, ChatTemplate.Parse(Marked)).Encode(messages);
        Assert.Equal(second.Text, first.Text);
        Assert.Equal(second.AssistantMask, first.AssistantMask);
    }

    [Fact]
    public void A_template_that_drops_earlier_reasoning_leaves_the_rest_to_be_told()
    {
        // Templates of Qwen3's shape write empty reasoning before a last answer that has none, and drop it from earlier ones.
        var encoder = new ChatEncoder(Small.Value, ChatTemplate.Parse(File.ReadAllText(Golden.Require("chat_templates", "qwen3_thinking.jinja"))));
        var chat = encoder.Encode([
            ChatMessage.User("Hi"),
            ChatMessage.Assistant("Hello"),
            ChatMessage.User("More"),
            ChatMessage.Assistant("<think>\nB\n</think>\n\nYes"),
        ]);
        var written = chat.AssistantSpans.Select(span => chat.Text[span.Start..span.End]);
        Assert.Equal(["Hello<|im_end|>", "<think>\nB\n</think>\n\nYes<|im_end|>"], written);
    }

    [Fact]
    public void A_template_that_rewrites_earlier_turns_is_refused_where_it_marks_nothing()
    {
        var template = ChatTemplate.Parse("{% for m in messages %}{{ m.role ~ messages|length ~ m.content }}{% endfor %}");
        var error = Assert.Throws<HarnessException>(() =>
            new ChatEncoder(Small.Value, template).Encode([ChatMessage.User("a"), ChatMessage.Assistant("b"), ChatMessage.User("c")])
        );
        Assert.Contains("{% generation %}", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("phi3", "<|end|>")]
    [InlineData("gemma", "<end_of_turn>")]
    [InlineData("llama2", "</s>")]
    [InlineData("smollm", "<|im_end|>")]
    [InlineData("tekken", "</s>")]
    public void Turns_of_families_without_marks_end_with_their_own_end_token(string name, string end)
    {
        var tokenizer = TokenizerGoldenTests.Get(name);
        var chat = ChatEncoder
            .For(tokenizer)
            .Encode([ChatMessage.User("Hi"), ChatMessage.Assistant("Hello there"), ChatMessage.User("More"), ChatMessage.Assistant("Yes")]);
        var written = chat.Ids.Zip(chat.AssistantMask).Where(pair => pair.Second).Select(pair => pair.First).ToList();
        Assert.Equal(tokenizer.IdOf(end), written[^1]);
        Assert.Equal(2, written.Count(id => id == tokenizer.IdOf(end)));
        Assert.Equal(
            $"Hello there{end}Yes{end}",
            tokenizer.Decode(written).Replace(" ", "", StringComparison.Ordinal).Replace("Hellothere", "Hello there", StringComparison.Ordinal)
        );
    }
}
