using RlHarness.Formats.ChatTemplates;
using RlHarness.Recipes.Stages;

namespace RlHarness.Recipes.Tests.Stages;

[Trait("kind", "contract")]
public sealed class ConversationTests(TinyRun tiny) : IClassFixture<TinyRun>
{
    [Fact]
    public void Training_ids_begin_with_the_prompt_s_and_end_with_the_end_of_the_turn()
    {
        var conversation = tiny.Conversation;
        var tokenizer = tiny.Model.Tokenizer!;
        foreach (var t in tiny.Corpus.Transcripts.Take(50))
        {
            var training = conversation.Training(t.Messages);
            var prompt = conversation.Prompt([.. t.Messages.Take(2)]);
            Assert.Equal(prompt, training.Ids.Take(prompt.Length));
            Assert.Equal(tokenizer.RequireId("<|im_end|>"), training.Ids[^1]);
            Assert.Contains(training.Ids[^1], conversation.StopIds);
            Assert.Equal(Enumerable.Range(prompt.Length, training.Ids.Count - prompt.Length), training.Scored);
            Assert.Equal(t.AssistantText, tokenizer.Decode(training.Ids.Skip(prompt.Length).SkipLast(1)));
        }
    }

    [Fact]
    public void Training_ids_are_those_of_the_whole_conversation_through_the_template()
    {
        var encoder = ChatEncoder.For(tiny.Model.Tokenizer!);
        foreach (var t in tiny.Corpus.Transcripts.Take(50))
        {
            var whole = encoder.Encode(t.Messages).Ids;
            var training = tiny.Conversation.Training(t.Messages).Ids;
            Assert.Equal(whole.Take(training.Count), training);
            Assert.DoesNotContain(whole.Skip(training.Count), i => tiny.Conversation.StopIds.Contains(i));
        }
    }

    [Fact]
    public void The_reward_model_reads_neither_system_prompt_nor_tier()
    {
        var text = tiny.Model.Tokenizer!.Decode(RewardStage.Text(tiny.Conversation, "Write a claim.", "It works."));
        Assert.Equal("<|im_start|>user\nWrite a claim.<|im_end|>\n<|im_start|>assistant\nIt works.<|im_end|>", text);
    }
}
