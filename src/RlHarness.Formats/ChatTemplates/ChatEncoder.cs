using RlHarness.Core.Chat;
using RlHarness.Core.Errors;
using RlHarness.Formats.Tokenizers;

namespace RlHarness.Formats.ChatTemplates;

/// <summary>
/// From messages to token ids, with a mask of what the assistant wrote. Where the template marks that with <c>{% generation %}</c>, its marks count.
/// Otherwise each
/// assistant turn is found by rendering the conversation up to it with a generation prompt: what follows that text, up to the first special token
/// after the content
/// (the end of the turn), is the assistant's. A template that rewrites earlier turns so that this cannot be told is refused, not guessed at.
/// </summary>
public sealed class ChatEncoder
{
    private readonly TimeProvider _clock;
    private readonly IReadOnlyDictionary<string, object?> _variables;

    /// <summary><paramref name="variables"/> go to the template in each rendering, beside the tokenizer's special tokens (<c>bos_token</c>, …).</summary>
    public ChatEncoder(Tokenizer tokenizer, ChatTemplate template, IReadOnlyDictionary<string, object?>? variables = null, TimeProvider? clock = null)
    {
        (Tokenizer, Template, _clock) = (tokenizer, template, clock ?? TimeProvider.System);
        var all = new Dictionary<string, object?>(StringComparer.Ordinal);
        foreach (var (name, token) in tokenizer.SpecialTokens)
            all[name] = token;
        foreach (var (name, value) in variables ?? new Dictionary<string, object?>())
            all[name] = value;
        _variables = all;
    }

    /// <summary>An encoder with the tokenizer's own template.</summary>
    /// <exception cref="HarnessException">The tokenizer has none.</exception>
    public static ChatEncoder For(Tokenizer tokenizer, IReadOnlyDictionary<string, object?>? variables = null, TimeProvider? clock = null)
    {
        var source = tokenizer.ChatTemplate
            ?? throw new HarnessException(
                ErrorKind.BadFile,
                "the tokenizer has no chat template",
                tokenizer.ChatTemplates.Count == 0 ? "none" : string.Join(", ", tokenizer.ChatTemplates.Keys),
                "chat_template in tokenizer_config.json, or chat_template.jinja",
                "use an instruction-tuned model, or name a template in the settings"
            );
        return new ChatEncoder(tokenizer, ChatTemplate.Parse(source, "the tokenizer's chat template"), variables, clock);
    }

    public Tokenizer Tokenizer { get; }

    public ChatTemplate Template { get; }

    /// <summary>The text alone.</summary>
    public string Render(
        IReadOnlyList<ChatMessage> messages,
        bool addGenerationPrompt = false,
        bool continueFinalMessage = false,
        IReadOnlyDictionary<string, object?>? variables = null
    ) => RenderCore(messages, addGenerationPrompt, continueFinalMessage, variables).Text;

    /// <summary>The ids of a prompt: what a model is given to answer.</summary>
    public int[] EncodePrompt(IReadOnlyList<ChatMessage> messages, IReadOnlyDictionary<string, object?>? variables = null) =>
        Tokenizer.Encode(Render(messages, addGenerationPrompt: true, variables: variables));

    /// <summary>
    /// The ids of a prompt whose answer has begun: those of the whole text up to there. To encode the beginning by itself would give other ids wherever a
    /// tokenizer joins what stands on both sides, or puts a blank before each text (SentencePiece).
    /// </summary>
    public int[] EncodePrefill(IReadOnlyList<ChatMessage> messages, string start, IReadOnlyDictionary<string, object?>? variables = null)
    {
        var text = Render(messages, addGenerationPrompt: true, variables: variables) + start;
        try
        {
            // A template may put more than its prompt before an answer (an empty block of reasoning): what was taught has it, so what goes on has it too.
            var rendered = Render([.. messages, ChatMessage.Assistant(start)], continueFinalMessage: true, variables: variables);
            if (rendered.EndsWith(start, StringComparison.Ordinal))
                text = rendered;
        }
        catch (HarnessException e) when (e.Kind == ErrorKind.BadInput)
        {
            // The template takes no such message, or rewrites it: the prompt and the beginning are all there is.
        }

        return Tokenizer.Encode(text);
    }

    /// <summary>
    /// The ids of a whole conversation up to the token that ends the assistant's last turn: the first of the stop tokens behind its content. Where the template
    /// writes none there, the first stop token follows the content.
    /// </summary>
    /// <exception cref="HarnessException">It cannot be told where the assistant's text begins.</exception>
    public AnsweredChat EncodeAnswer(IReadOnlyList<ChatMessage> messages, IReadOnlyList<int> stopIds, IReadOnlyDictionary<string, object?>? variables = null)
    {
        var text = Render(messages, variables: variables);
        var before = Render([.. messages.Take(messages.Count - 1)], addGenerationPrompt: true, variables: variables);
        var content = StringMethods.Strip(messages[^1].Content ?? "", null, true, true);
        var start = before.Length;
        if (!text.StartsWith(before, StringComparison.Ordinal))
        {
            // The prompt has something that a finished turn lacks, such as the opening of a block of reasoning.
            start = text.IndexOf(content, text.AsSpan().CommonPrefixLength(before), StringComparison.Ordinal);
            if (start < 0 || content.Length == 0)
                throw Unclear(messages.Count - 1);
        }

        var tokens = Tokenizer.EncodeWithSpans(text);
        var behind = ContentEnd(text, content, start);
        var first = Array.FindIndex(tokens.Spans, span => span.End > start);
        // A special token of the prompt that swallowed white space of the answer is still the prompt's.
        while (first >= 0 && first < tokens.Ids.Length && tokens.Spans[first].Start < start && Tokenizer.IsSpecial(tokens.Ids[first]))
            first++;
        if (first < 0)
            first = tokens.Ids.Length;
        var end = first;
        while (end < tokens.Ids.Length && !(tokens.Spans[end].Start >= behind && stopIds.Contains(tokens.Ids[end])))
            end++;
        if (end < tokens.Ids.Length)
            return new AnsweredChat(text, tokens.Ids[..(end + 1)], first);
        end = first;
        while (end < tokens.Ids.Length && tokens.Spans[end].Start < behind)
            end++;
        return new AnsweredChat(text, [.. tokens.Ids[..end], stopIds[0]], first);
    }

    // Where a template wrote the content otherwise than it was given (reasoning in a block of its own), its last line is looked for.
    private static int ContentEnd(string text, string content, int start)
    {
        foreach (var part in (string[])[content, content[(content.LastIndexOf('\n') + 1)..]])
        {
            if (part.Length > 0 && text.IndexOf(part, start, StringComparison.Ordinal) is >= 0 and var at)
                return at + part.Length;
        }

        return start;
    }

    /// <summary>Ids and mask of a conversation.</summary>
    /// <exception cref="HarnessException">The template refuses the messages, or it cannot be told what the assistant wrote.</exception>
    public EncodedChat Encode(
        IReadOnlyList<ChatMessage> messages,
        bool addGenerationPrompt = false,
        bool continueFinalMessage = false,
        IReadOnlyDictionary<string, object?>? variables = null
    )
    {
        var rendered = RenderCore(messages, addGenerationPrompt, continueFinalMessage, variables);
        var tokens = Tokenizer.EncodeWithSpans(rendered.Text);
        var spans = rendered.AssistantSpans ?? Find(messages, rendered.Text, tokens, variables);
        return new EncodedChat(rendered.Text, tokens.Ids, Mask(tokens.Spans, spans), spans);
    }

    private RenderedChat RenderCore(
        IReadOnlyList<ChatMessage> messages,
        bool addGenerationPrompt,
        bool continueFinalMessage,
        IReadOnlyDictionary<string, object?>? variables
    )
    {
        var all = _variables;
        if (variables is { Count: > 0 })
        {
            var merged = new Dictionary<string, object?>(_variables, StringComparer.Ordinal);
            foreach (var (name, value) in variables)
                merged[name] = value;
            all = merged;
        }

        return Template.Render(messages, addGenerationPrompt, all, continueFinalMessage, _clock);
    }

    // A token is the assistant's when it holds a character of a span.
    private static bool[] Mask(CharSpan[] tokens, IReadOnlyList<CharSpan> spans)
    {
        var mask = new bool[tokens.Length];
        foreach (var span in spans)
        {
            for (var i = 0; i < tokens.Length; i++)
                mask[i] |= tokens[i].Start < span.End && tokens[i].End > span.Start;
        }

        return mask;
    }

    private List<CharSpan> Find(IReadOnlyList<ChatMessage> messages, string text, TokenizedText tokens, IReadOnlyDictionary<string, object?>? variables)
    {
        var spans = new List<CharSpan>();
        for (var i = 0; i < messages.Count; i++)
        {
            if (messages[i].Role != "assistant")
                continue;
            var before = RenderCore([.. messages.Take(i)], true, false, variables).Text;
            if (!text.StartsWith(before, StringComparison.Ordinal))
                throw Unclear(i);
            var start = before.Length;
            var upTo = i + 1 == messages.Count ? text : RenderCore([.. messages.Take(i + 1)], false, false, variables).Text;
            var limit = text.AsSpan().CommonPrefixLength(upTo);
            var end = EndOfTurn(text, tokens, start, limit, messages[i].Content, wholeTurn: limit == upTo.Length)
                ?? EndOfTurn(text, tokens, start, text.Length, messages[i].Content, wholeTurn: false)
                ?? throw Unclear(i);
            spans.Add(new CharSpan(start, end));
        }

        return spans;
    }

    // The first special token after the content ends the turn. Where the template wrote the content otherwise than it was given, it is the last one
    // of the turn; where the end
    // of the turn is not known either, it cannot be told. White space that a token swallows (rstrip) goes with it.
    private int? EndOfTurn(string text, TokenizedText tokens, int start, int limit, string? content, bool wholeTurn)
    {
        if (limit <= start)
            return null;
        var trimmed = content is null ? "" : StringMethods.Strip(content, null, true, true);
        var at = content is null ? -1 : text.IndexOf(trimmed, start, limit - start, StringComparison.Ordinal);
        if (at < 0 && !wholeTurn)
            return null;
        var after = at < 0 ? start : at + trimmed.Length;
        int? end = null;
        for (var i = 0; i < tokens.Ids.Length; i++)
        {
            if (tokens.Spans[i].Start < after || tokens.Spans[i].Start >= limit || !Tokenizer.IsSpecial(tokens.Ids[i]))
                continue;
            end = Math.Min(limit, tokens.Spans[i].End);
            if (at >= 0)
                break;
        }

        return end ?? (wholeTurn ? limit : null);
    }

    private static HarnessException Unclear(int message) =>
        new(
            ErrorKind.BadInput,
            $"the chat template rewrites earlier turns: it cannot be told what the assistant wrote in message {message}",
            expected: "a template with {% generation %} blocks, or one that leaves earlier turns as they were",
            remedy: "mark the assistant's text in the template with {% generation %} … {% endgeneration %}"
        );
}

/// <summary>A conversation that ends with an answer, as token ids.</summary>
/// <param name="Text">The rendered text.</param>
/// <param name="Ids">Its ids up to the token that ends the answer.</param>
/// <param name="Start">Index of the answer's first id.</param>
public sealed record AnsweredChat(string Text, int[] Ids, int Start);

/// <summary>A conversation as token ids.</summary>
/// <param name="Text">The rendered text.</param>
/// <param name="Ids">Its token ids.</param>
/// <param name="AssistantMask">For each id whether the assistant wrote it, the token that ends its turn included.</param>
/// <param name="AssistantSpans">Where the assistant's text stands in <paramref name="Text"/>, in order.</param>
public sealed record EncodedChat(string Text, int[] Ids, bool[] AssistantMask, IReadOnlyList<CharSpan> AssistantSpans);
