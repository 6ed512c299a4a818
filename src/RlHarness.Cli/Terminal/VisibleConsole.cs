using System.Globalization;
using System.Text;
using Spectre.Console;

namespace RlHarness.Cli.Terminal;

/// <summary>
/// The one way of text to the terminal: names of files and tensors, templates, errors and what models say may hold characters that move the cursor, hide text
/// or turn its direction. All of them are shown as signs; colours of this program's own tables and its live line pass.
/// </summary>
internal sealed class VisibleConsole : IDisposable
{
    private readonly TextWriter _out = Console.Out,
        _error = Console.Error;

    private VisibleConsole()
    {
        Raw = _out;
        Console.SetOut(new VisibleWriter(_out));
        Console.SetError(new VisibleWriter(_error));
        AnsiConsole.Console = AnsiConsole.Create(
            new AnsiConsoleSettings { Out = new AnsiConsoleOutput(Console.IsOutputRedirected ? Console.Out : new VisibleWriter(_out, colours: true)) }
        );
    }

    /// <summary>For what this program writes to move the cursor, and for a model's text to a file.</summary>
    internal static TextWriter Raw { get; private set; } = Console.Out;

    internal static VisibleConsole Install() => new();

    public void Dispose()
    {
        Console.SetOut(_out);
        Console.SetError(_error);
    }
}

/// <summary>Writes control and format characters as signs.</summary>
internal sealed class VisibleWriter(TextWriter inner, bool colours = false) : TextWriter(CultureInfo.InvariantCulture)
{
    public override Encoding Encoding => inner.Encoding;

    public override void Write(char value) => Write(value.ToString());

    public override void Write(char[] buffer, int index, int count) => Write(new string(buffer, index, count));

    public override void Write(ReadOnlySpan<char> buffer) => Write(buffer.ToString());

    public override void Write(string? value)
    {
        if (value is not null)
            inner.Write(Of(value, colours));
    }

    public override void WriteLine() => inner.WriteLine();

    public override void WriteLine(string? value)
    {
        Write(value);
        inner.WriteLine();
    }

    public override void Flush() => inner.Flush();

    /// <summary>The text, with a visible sign in place of each character that cannot be seen.</summary>
    internal static string Of(string text, bool colours = false)
    {
        if (text.AsSpan().IndexOfAnyExceptInRange(' ', '~') < 0)
            return text;
        var result = new StringBuilder(text.Length);
        for (var i = 0; i < text.Length;)
        {
            Rune.DecodeFromUtf16(text.AsSpan(i), out var rune, out var width);
            if (colours && rune.Value == 0x1b && ColourLength(text.AsSpan(i)) is > 0 and var length)
                width = length;
            var line = rune.Value is '\n' or '\t' || (rune.Value == '\r' && i + 1 < text.Length && text[i + 1] == '\n');
            if (line || width > 2 || !Hidden(rune))
                result.Append(text, i, width);
            else
                result.Append(rune.Value < ' ' ? (char)('\u2400' + rune.Value) : '\uFFFD');
            i += width;
        }

        return result.ToString();
    }

    internal static bool Hidden(Rune rune) =>
        rune.Value == 0xFFFD
        || Rune.GetUnicodeCategory(rune)
            is UnicodeCategory.Control
                or UnicodeCategory.Format
                or UnicodeCategory.LineSeparator
                or UnicodeCategory.ParagraphSeparator;

    // ESC [ digits and semicolons m
    private static int ColourLength(ReadOnlySpan<char> text)
    {
        if (text.Length < 3 || text[1] != '[')
            return 0;
        var end = 2;
        while (end < text.Length && (char.IsAsciiDigit(text[end]) || text[end] == ';'))
            end++;
        return end < text.Length && text[end] == 'm' ? end + 1 : 0;
    }
}

/// <summary>What a model said, for a terminal.</summary>
internal static class ModelText
{
    /// <summary>An output; null: the response has none that could be read.</summary>
    internal static string Output(string? output) => Visible(output ?? "(none that can be read)");

    /// <summary>With control characters as signs: none of it moves the cursor or speaks to the terminal.</summary>
    internal static string Visible(string text) => VisibleWriter.Of(text.ReplaceLineEndings("\n"));
}
