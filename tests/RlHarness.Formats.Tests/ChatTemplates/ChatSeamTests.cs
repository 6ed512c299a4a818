using RlHarness.Core.Chat;
using RlHarness.Core.Errors;
using RlHarness.Formats.ChatTemplates;
using RlHarness.Formats.Tests.Tokenizers;
using RlHarness.Formats.Tokenizers;
using RlHarness.Tests;

namespace RlHarness.Formats.Tests.ChatTemplates;

/// <summary>What is taught, asked and continued has the ids of the whole rendered text, whatever a tokenizer does where two pieces of it meet.</summary>
[Trait("kind", "contract")]
public sealed class ChatSeamTests
{
    private const string Content = "The claim holds.",
        Begun = "The cla";

    public static TheoryData<string> Tokenizers() => [.. Golden.Names("tokenizers").Where(n => Path.GetExtension(n).Length == 0).AtLeastOne()];

    [Theory]
    [MemberData(nameof(Tokenizers))]
    public void Ids_are_those_of_the_whole_text_for_every_template(string name)
    {
        var tokenizer = TokenizerGoldenTests.Get(name);
        int[] stops = [.. Enumerable.Range(0, tokenizer.VocabularySize).Where(tokenizer.IsSpecial)];
        ChatMessage[] asked = [ChatMessage.User("Does it hold?")];
        var rendered = 0;
        foreach (var file in Golden.Names("chat_templates", "*.jinja"))
        {
            var template = ChatTemplate.Parse(File.ReadAllText(Golden.Require("chat_templates", file)), file);
            var encoder = new ChatEncoder(tokenizer, template, null, FixedClock.Instance);
            string whole,
                prompt;
            try
            {
                whole = encoder.Render([.. asked, ChatMessage.Assistant(Content)]);
                prompt = encoder.Render(asked, addGenerationPrompt: true);
            }
            catch (HarnessException)
            {
                continue; // a template that needs tools or documents
            }

            if (!whole.Contains(Content, StringComparison.Ordinal))
                continue; // a template that counts messages
            rendered++;
            var ids = tokenizer.Encode(whole);
            var answer = encoder.EncodeAnswer([.. asked, ChatMessage.Assistant(Content)], stops);
            Assert.Equal(ids.Take(answer.Ids.Length - 1), answer.Ids.SkipLast(1));
            Assert.Contains(answer.Ids[^1], stops);
            Assert.Contains(Content, tokenizer.Decode(answer.Ids[answer.Start..]), StringComparison.Ordinal);
            Assert.DoesNotContain("Does it hold?", tokenizer.Decode(answer.Ids[answer.Start..]), StringComparison.Ordinal);
            // The end is the first special token behind the content.
            Assert.DoesNotContain(Content, tokenizer.Decode(ids.Skip(answer.Ids.Length - 1)), StringComparison.Ordinal);
            Assert.Equal(tokenizer.Encode(prompt), encoder.EncodePrompt(asked));
            var cut = whole.LastIndexOf(Begun, StringComparison.Ordinal) + Begun.Length;
            Assert.Equal(tokenizer.Encode(whole[..cut]), encoder.EncodePrefill(asked, Begun));
        }

        Assert.InRange(rendered, 15, int.MaxValue);
    }

    [Fact]
    public void A_turn_ends_at_the_first_stop_token_behind_its_content()
    {
        var tokenizer = TokenizerGoldenTests.Get("phi3");
        var encoder = ChatEncoder.For(tokenizer);
        // shared/faults/BR-03: transformers' apply_chat_template gives … 504, 884 (<|end|>), 879 (<|endoftext|>).
        var answer = encoder.EncodeAnswer([ChatMessage.User("a"), ChatMessage.Assistant("The claim")], [879, 880, 884]);
        Assert.Equal([292, 274, 565, 504, 884], answer.Ids[answer.Start..]);
    }

    [Fact]
    public void A_stop_token_within_the_content_does_not_end_it()
    {
        var tokenizer = TokenizerGoldenTests.Get("phi3");
        var answer = ChatEncoder.For(tokenizer).EncodeAnswer([ChatMessage.User("a"), ChatMessage.Assistant("one <|end|> two")], [879, 880, 884]);
        Assert.Equal(2, answer.Ids[answer.Start..].Count(id => id == 884));
    }
}
