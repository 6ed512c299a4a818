using RlHarness.Core.Chat;
using RlHarness.Core.Errors;
using RlHarness.Experiment.Detectors;
using RlHarness.Formats.ChatTemplates;
using RlHarness.Formats.Tokenizers;

namespace RlHarness.Recipes.Detectors;

/// <summary>
/// A judge's question as token ids by its chat template: what is quoted is text and nothing else, and a template that thinks is told whether to.
/// </summary>
/// <param name="thinking">Whether the judge may think first.</param>
/// <param name="prefix">What its answer begins with.</param>
/// <param name="judge">Its name, for messages.</param>
/// <param name="clock">What a template that reads the clock sees.</param>
internal sealed class JudgePrompt(Tokenizer tokenizer, bool thinking, string prefix, string judge, TimeProvider clock)
{
    private readonly ChatEncoder _encoder = ChatEncoder.For(tokenizer, clock: clock);

    /// <summary>Names under which templates ask whether to think.</summary>
    private readonly Dictionary<string, object?> _variables = new() { ["enable_thinking"] = thinking, ["thinking"] = thinking };

    internal const string Thought = "<think>";

    /// <summary>Whether the template began a thought in the last prompt, so that an answer begins inside of it.</summary>
    internal bool OpensThought { get; private set; }

    /// <exception cref="HarnessException">The template opens a thought that it was told to leave out, or rewrites what is quoted.</exception>
    public int[] Ids(JudgeQuestion question)
    {
        ArgumentNullException.ThrowIfNull(question);
        var text = _encoder.Render([ChatMessage.System(Rubric.System), ChatMessage.User(question.Text)], addGenerationPrompt: true, variables: _variables);
        var at = text.LastIndexOf(question.Text, StringComparison.Ordinal);
        if (at < 0)
            throw HarnessException.BadFile(
                judge,
                "the judge's chat template rewrites the question",
                "the question is not in the rendered text as it was given",
                "a template that leaves a user's words as they are",
                "use another model as judge"
            );
        var behind = text[(at + question.Text.Length)..];
        OpensThought = behind.LastIndexOf(Thought, StringComparison.Ordinal) > behind.LastIndexOf("</think>", StringComparison.Ordinal);
        if (OpensThought && !thinking)
            throw HarnessException.BadFile(
                judge,
                "the judge's chat template begins a thought, also with enable_thinking=false",
                $"the prompt ends with {behind.TrimEnd().ReplaceLineEndings("\\n")}",
                "an answer that begins with yes or no",
                "set thinking: true with votes and max_tokens, or use another model as judge"
            );
        return tokenizer.EncodeQuoting(text + prefix, [.. question.Quoted.Select(q => new CharSpan(at + q.From, at + q.To))]);
    }
}
