using RlHarness.Formats.Tokenizers;

namespace RlHarness.Formats.Tests.Tokenizers;

[Trait("kind", "arithmetic")]
public sealed class BpeTrainerTests
{
    private static readonly string[] Special = ["<|pad|>", "<|end|>", "<|user|>"];

    [Fact]
    public void The_most_frequent_pair_is_joined_first_and_ties_go_to_the_lower_ids()
    {
        // words: ab (3), abc (2), xy (2): the pair a b occurs 5 times; then "ab" c and x y twice each: x = 0x78 has a lower id than ab
        var tokenizer = BpeTrainer.Train(["ab", "ab", "ab", "abc", "abc", "xy", "xy"], 3 + 256 + 3, Special, null, "<|end|>", "<|pad|>");
        Assert.Equal(3 + 256, tokenizer.IdOf("ab"));
        Assert.Equal(3 + 257, tokenizer.IdOf("xy"));
        Assert.Equal(3 + 258, tokenizer.IdOf("abc"));
        Assert.Equal([259, 261, 2, 3 + 'q'], tokenizer.Encode("ab").Concat(tokenizer.Encode("abc<|user|>q")));
    }

    [Fact]
    public void Repeated_letters_are_counted_without_overlap()
    {
        // a a, four times, becomes aa aa a; of the pairs aa+a and aa+aa, once each, the one with the lower right id is joined
        var tokenizer = BpeTrainer.Train(["aaaaa"], 3 + 256 + 2, Special, null, "<|end|>", "<|pad|>");
        Assert.Equal(["aa", "aaa"], tokenizer.Encode("aaaaa").Select(tokenizer.TokenOf));
    }

    [Fact]
    public void Every_text_comes_back_and_special_tokens_stay_whole()
    {
        var tokenizer = BpeTrainer.Train(["the cat sat on the mat", "<|user|>the mat"], 300, Special, "{{ messages }}", "<|end|>", "<|pad|>");
        var text = "the cat\0\u00e9 \U0001F600<|user|>\r\n<|end|>";
        Assert.Equal(text, tokenizer.Decode(tokenizer.Encode(text)));
        Assert.Equal((0, 1, (int?)null), (tokenizer.PadId!.Value, tokenizer.EosId!.Value, tokenizer.BosId));
        Assert.Equal("{{ messages }}", tokenizer.ChatTemplate);
        Assert.True(tokenizer.IsSpecial(2));
        Assert.DoesNotContain(Enumerable.Range(3, tokenizer.VocabularySize - 3).Select(tokenizer.TokenOf), token =>
            token.Contains("<|", StringComparison.Ordinal)
        );
    }

    [Fact]
    public void The_same_texts_in_another_order_give_the_same_vocabulary()
    {
        string[] texts = ["one two three", "two three four", "three four five six", "one six"];
        var first = BpeTrainer.Train(texts, 300, Special, null, "<|end|>", "<|pad|>");
        var second = BpeTrainer.Train(texts.Reverse(), 300, Special, null, "<|end|>", "<|pad|>");
        Assert.Equal(Enumerable.Range(0, first.VocabularySize).Select(first.TokenOf), Enumerable.Range(0, second.VocabularySize).Select(second.TokenOf));
    }

    [Fact]
    public void A_vocabulary_smaller_than_the_bytes_is_refused() =>
        Assert.Throws<ArgumentOutOfRangeException>(() => BpeTrainer.Train(["a"], 258, Special, null, "<|end|>", "<|pad|>"));
}
