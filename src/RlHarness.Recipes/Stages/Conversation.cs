using RlHarness.Core.Errors;
using RlHarness.Models.Loading;
using RlHarness.Models.Tokenizers;
using RlHarness.Training.Batching;
using ChatMessage = RlHarness.Experiment.Prompts.ChatMessage;

namespace RlHarness.Recipes.Stages;

/// <summary>Conversations as token ids, by the model's own chat template. Training and generation cut at the same place: the prompt's ids are the same.</summary>
public sealed class Conversation
{
    private readonly Tokenizer _tokenizer;

    public Conversation(LoadedModel model)
    {
        _tokenizer = model.Tokenizer ?? throw HarnessException.BadFile(model.Source, "no tokenizer", "tokenizer.json is absent", "a model with its tokenizer");
        StopIds = model.StopIds.Count > 0 ? model.StopIds : throw HarnessException.BadFile(model.Source, "no end-of-answer token", "neither config.json nor the tokenizer names one", "eos_token_id");
    }

    public IReadOnlyList<int> StopIds { get; }

    /// <summary>Ids up to where the assistant begins.</summary>
    public int[] Prompt(IReadOnlyList<ChatMessage> messages) => _tokenizer.Encode(Render(messages, addGenerationPrompt: true));

    /// <summary>Prompt and answer, with the answer's tokens scored, its end included.</summary>
    public ScoredSequence Training(IReadOnlyList<ChatMessage> messages)
    {
        var prompt = Prompt([.. messages.Take(messages.Count - 1)]);
        return ScoredSequence.Response(prompt, Answer(messages[^1].Content));
    }

    /// <summary>Ids of an answer and the token that ends it.</summary>
    public int[] Answer(string text) => [.. _tokenizer.Encode(text), StopIds[0]];

    private static string Render(IReadOnlyList<ChatMessage> messages, bool addGenerationPrompt)
        => string.Concat(messages.Select(m => $"<|im_start|>{m.Role}\n{m.Content}<|im_end|>\n")) + (addGenerationPrompt ? "<|im_start|>assistant\n" : "");
}
