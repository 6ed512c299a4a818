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
    private readonly int _endOfTurn;

    /// <exception cref="HarnessException">The model has no tokenizer, no chat template, or no token that ends an answer.</exception>
    public Conversation(LoadedModel model)
    {
        var tokenizer = model.Tokenizer
            ?? throw HarnessException.BadFile(model.Source, "no tokenizer", "tokenizer.json is absent", "a model with its tokenizer");
        _encoder = ChatEncoder.For(tokenizer);
        StopIds =
            model.StopIds.Count > 0
                ? model.StopIds
                : throw HarnessException.BadFile(model.Source, "no end-of-answer token", "neither config.json nor the tokenizer names one", "eos_token_id");
        _endOfTurn = EndOfTurn(StopIds);
    }

    /// <summary>Ids that end an answer.</summary>
    public IReadOnlyList<int> StopIds { get; }

    /// <summary>Ids up to where the assistant begins, and what its answer is made to begin with.</summary>
    public int[] Prompt(IReadOnlyList<ChatMessage> messages, string start) =>
        start.Length == 0 ? Prompt(messages) : [.. Prompt(messages), .. _encoder.Tokenizer.Encode(start)];

    /// <summary>Ids up to where the assistant begins.</summary>
    public int[] Prompt(IReadOnlyList<ChatMessage> messages) =>
        _encoder.EncodePrompt(messages);

    /// <summary>Prompt and answer, with the answer's tokens scored, its end included.</summary>
    public ScoredSequence Training(IReadOnlyList<ChatMessage> messages) =>
        ScoredSequence.Response(Prompt([.. messages.Take(messages.Count - 1)]), Answer(messages[^1].Content!));

    /// <summary>Ids of an answer and the token that ends it.</summary>
    public int[] Answer(string text) => [.. _encoder.Tokenizer.Encode(text), _endOfTurn];

    /// <summary>The stop id with which the template ends an assistant's turn; the first stop id where it writes none of them.</summary>
    private int EndOfTurn(IReadOnlyList<int> stops)
    {
        var chat = _encoder.Encode([ChatMessage.User("a"), ChatMessage.Assistant("b")]);
        for (var i = chat.Ids.Length - 1; i >= 0; i--)
            if (stops.Contains(chat.Ids[i]))
                return chat.Ids[i];
        return stops[0];
    }
}
