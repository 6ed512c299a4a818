using RlHarness.Core.Chat;
using RlHarness.Core.Errors;
using RlHarness.Formats.ChatTemplates;
using RlHarness.Models.Loading;
using RlHarness.Training.Batching;

namespace RlHarness.Recipes.Stages;

/// <summary>
/// Conversations as token ids, by the model's own chat template. Training and generation cut at the same place: a prompt's ids are the same in both.
/// </summary>
public sealed class Conversation
{
    private readonly ChatEncoder _encoder;

    /// <param name="model">Its tokenizer, template and stop tokens are used.</param>
    /// <param name="clock">What a template that reads the clock sees: the run's date, so that each stage writes the same text.</param>
    /// <exception cref="HarnessException">The model has no tokenizer, no chat template, or no token that ends an answer.</exception>
    public Conversation(LoadedModel model, TimeProvider clock)
    {
        var tokenizer = model.Tokenizer
            ?? throw HarnessException.BadFile(model.Source, "no tokenizer", "tokenizer.json is absent", "a model with its tokenizer");
        _encoder = ChatEncoder.For(tokenizer, clock: clock);
        StopIds =
            model.StopIds.Count > 0
                ? model.StopIds
                : throw HarnessException.BadFile(model.Source, "no end-of-answer token", "neither config.json nor the tokenizer names one", "eos_token_id");
    }

    /// <summary>Ids that end an answer.</summary>
    public IReadOnlyList<int> StopIds { get; }

    /// <summary>Ids up to where the assistant begins, and what its answer is made to begin with.</summary>
    public int[] Prompt(IReadOnlyList<ChatMessage> messages, string start) => start.Length == 0 ? Prompt(messages) : _encoder.EncodePrefill(messages, start);

    /// <summary>Ids up to where the assistant begins.</summary>
    public int[] Prompt(IReadOnlyList<ChatMessage> messages) => _encoder.EncodePrompt(messages);

    /// <summary>Ids of the whole conversation, with the answer's tokens scored, its end included.</summary>
    public ScoredSequence Training(IReadOnlyList<ChatMessage> messages)
    {
        var chat = _encoder.EncodeAnswer(messages, StopIds);
        return ScoredSequence.Response(chat.Ids[..chat.Start], chat.Ids[chat.Start..]);
    }

    /// <summary>Ids of the whole conversation up to the end of its last turn.</summary>
    public int[] Whole(IReadOnlyList<ChatMessage> messages) => _encoder.EncodeAnswer(messages, StopIds).Ids;

    /// <summary>Ids of an answer as they stand in a conversation, and the token that ends it.</summary>
    public int[] Answer(string text) => Answer([ChatMessage.User("a"), ChatMessage.Assistant(text)]);

    /// <summary>Ids of a text that stands in no conversation, and the token that ends an answer.</summary>
    public int[] Document(string text) => [.. _encoder.Tokenizer.Encode(text), Answer("b")[^1]];

    private int[] Answer(IReadOnlyList<ChatMessage> messages)
    {
        var chat = _encoder.EncodeAnswer(messages, StopIds);
        return chat.Ids[chat.Start..];
    }
}
