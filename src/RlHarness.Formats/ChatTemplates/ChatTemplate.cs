using RlHarness.Core.Chat;
using RlHarness.Core.Errors;
using RlHarness.Formats.Tokenizers;

namespace RlHarness.Formats.ChatTemplates;

/// <summary>
/// A Jinja chat template, rendered as transformers' <c>apply_chat_template</c> renders it. It runs in an interpreter of its own that changes nothing,
/// reads nothing but what
/// it is given and the clock, and stops after a number of steps. Safe for use by many threads.
/// </summary>
public sealed class ChatTemplate
{
    private const string Mark = "\uE000the model goes on here\uE001 ";
    private readonly Statement[] _body;
    private readonly string _name;

    private ChatTemplate(string source, string name, Statement[] body, bool marksAssistant) =>
        (Source, _name, _body, MarksAssistant) = (source, name, body, marksAssistant);

    public string Source { get; }

    /// <summary>Whether the template says with <c>{% generation %}</c> what the assistant writes.</summary>
    public bool MarksAssistant { get; }

    /// <summary>Parses a template; <paramref name="name"/> is what errors call it.</summary>
    /// <exception cref="HarnessException">The template has an error of syntax, or uses a tag, filter or test that does not exist.</exception>
    public static ChatTemplate Parse(string source, string name = "chat template")
    {
        try
        {
            var (body, marks) = TemplateParser.Parse(source);
            return new ChatTemplate(source, name, body, marks);
        }
        catch (TemplateError e)
        {
            throw new HarnessException(
                ErrorKind.BadFile,
                $"{name}: line {e.Line} does not parse",
                e.Message,
                "a Jinja chat template",
                "correct the template",
                e
            );
        }
        catch (InsufficientExecutionStackException e)
        {
            throw new HarnessException(ErrorKind.BadFile, $"{name}: nests too deeply", remedy: "correct the template", inner: e);
        }
    }

    /// <summary>Renders a conversation.</summary>
    /// <param name="messages">The conversation.</param>
    /// <param name="addGenerationPrompt">Ends with what comes before an assistant's answer.</param>
    /// <param name="variables">Other variables: <c>bos_token</c>, <c>tools</c>, <c>enable_thinking</c>, …; <c>tools</c> and <c>documents</c> are none
    /// where they are not given.</param>
    /// <param name="continueFinalMessage">Ends where the last message's content ends, so that a model goes on with it.</param>
    /// <param name="clock">What <c>strftime_now</c> reads; local time.</param>
    /// <exception cref="HarnessException">The template refuses the messages (<c>raise_exception</c>), or fails on them.</exception>
    public RenderedChat Render(
        IReadOnlyList<ChatMessage> messages,
        bool addGenerationPrompt = false,
        IReadOnlyDictionary<string, object?>? variables = null,
        bool continueFinalMessage = false,
        TimeProvider? clock = null
    )
    {
        if (addGenerationPrompt && continueFinalMessage)
            throw new ArgumentException("a conversation either gets a generation prompt or goes on with its last message", nameof(continueFinalMessage));
        if (continueFinalMessage && messages.Count == 0)
            throw new ArgumentException("there is no last message to go on with", nameof(messages));
        var all = new Dictionary<string, object?>(StringComparer.Ordinal) { ["tools"] = null, ["documents"] = null };
        foreach (var (key, value) in variables ?? new Dictionary<string, object?>())
            all[key] = TemplateInput.Convert(value);
        var given = messages.Select(object? (message) => TemplateInput.Message(message)).ToList();
        if (continueFinalMessage)
            given[^1] = Marked((DictValue)given[^1]!);
        all["messages"] = given;
        all["add_generation_prompt"] = addGenerationPrompt;
        try
        {
            var interpreter = new Interpreter(clock ?? TimeProvider.System);
            var text = interpreter.Run(_body, all);
            var spans = MarksAssistant ? interpreter.Spans?.Select(span => new CharSpan(span.Start, span.End)).ToList() : null;
            return continueFinalMessage ? Cut(text, spans) : new RenderedChat(text, spans);
        }
        catch (TemplateError e)
        {
            var what =
                e.Kind == TemplateErrorKind.Raised
                    ? $"{_name}: the template refuses these messages (line {e.Line})"
                    : $"{_name}: the template fails at line {e.Line}";
            throw new HarnessException(
                ErrorKind.BadInput,
                what,
                e.Message,
                remedy: "change the messages or the template's variables, or use another template",
                inner: e
            );
        }
        catch (InsufficientExecutionStackException e)
        {
            throw new HarnessException(ErrorKind.BadInput, $"{_name}: the template recurses too deeply", remedy: "use another template", inner: e);
        }
    }

    // As transformers does it: a mark goes behind the last content, and the text is cut there; where the template trimmed the content, its trailing
    // space goes too.
    private RenderedChat Cut(string text, List<CharSpan>? spans)
    {
        var at = text.LastIndexOf(Mark.TrimEnd(), StringComparison.Ordinal);
        if (at < 0)
        {
            throw new HarnessException(
                ErrorKind.BadInput,
                $"{_name}: the last message's content does not stand in the rendered text",
                expected: "a template that writes the content as it is",
                remedy: "continue from text in place of a message"
            );
        }

        var kept = string.CompareOrdinal(text, at, Mark, 0, Mark.Length) == 0 ? text[..at] : StringMethods.Strip(text[..at], null, false, true);
        return new RenderedChat(
            kept,
            spans?.Where(span => span.Start < kept.Length).Select(span => span with { End = Math.Min(span.End, kept.Length) }).ToList()
        );
    }

    private DictValue Marked(DictValue message)
    {
        message.TryGet("content", out var content);
        var texts = (content as List<object?> ?? []).OfType<DictValue>().Where(part => part.TryGet("text", out var text) && text is string).ToList();
        if (content is string whole)
        {
            message.Set("content", whole + Mark);
        }
        else if (texts.Count > 0)
        {
            texts[^1].TryGet("text", out var last);
            texts[^1].Set("text", last + Mark);
        }
        else
        {
            throw new HarnessException(ErrorKind.BadInput, $"{_name}: the last message has no text to go on with", expected: "content as text, or a text part");
        }

        return message;
    }
}

/// <summary>A rendered conversation.</summary>
/// <param name="Text">The whole text.</param>
/// <param name="AssistantSpans">
/// Where the template's <c>{% generation %}</c> blocks stand in the text (UTF-16 units), in order; null where the template has none, or has one
/// inside a macro, where its
/// place in the text cannot be told.
/// </param>
public sealed record RenderedChat(string Text, IReadOnlyList<CharSpan>? AssistantSpans);
