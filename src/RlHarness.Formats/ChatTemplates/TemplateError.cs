namespace RlHarness.Formats.ChatTemplates;

/// <summary>What went wrong inside a template; the public surface gives it out as the inner exception of a HarnessException.</summary>
internal sealed class TemplateError(string message, TemplateErrorKind kind = TemplateErrorKind.Value, int line = 0) : Exception(message)
{
    public TemplateErrorKind Kind { get; } = kind;

    /// <summary>The template's line, from 1; 0 where it is not known.</summary>
    public int Line { get; set; } = line;

    public static TemplateError Type(string message) => new(message);

    public static TemplateError Undefined(string message) => new(message, TemplateErrorKind.Undefined);

    public static TemplateError Security(string message) => new(message, TemplateErrorKind.Security);

    public static TemplateError Syntax(string message, int line) => new(message, TemplateErrorKind.Syntax, line);
}

internal enum TemplateErrorKind
{
    /// <summary>The template called <c>raise_exception</c>.</summary>
    Raised,
    Syntax,
    Undefined,
    Security,
    Value,
    Limit,
}
