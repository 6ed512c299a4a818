namespace RlHarness.Formats.Tokenizers;

/// <summary>Finds stretches of text, left to right, none empty, none overlapping.</summary>
internal abstract class Pattern
{
    /// <summary>The first match at or after a place; false where there is none.</summary>
    public abstract bool Next(ReadOnlySpan<char> text, int from, out CharSpan match);

    public List<CharSpan> Matches(ReadOnlySpan<char> text)
    {
        var found = new List<CharSpan>();
        for (var at = 0; at < text.Length && Next(text, at, out var match); at = match.End)
            found.Add(match);
        return found;
    }
}

internal sealed class LiteralPattern(string literal) : Pattern
{
    public override bool Next(ReadOnlySpan<char> text, int from, out CharSpan match)
    {
        var at = literal.Length == 0 ? -1 : text[from..].IndexOf(literal, StringComparison.Ordinal);
        match = new CharSpan(from + at, from + at + literal.Length);
        return at >= 0;
    }
}

/// <summary>Any number (<c>\p{N}</c>), one at a time.</summary>
internal sealed class DigitPattern : Pattern
{
    public override bool Next(ReadOnlySpan<char> text, int from, out CharSpan match)
    {
        for (int at = from, width; at < text.Length; at += width)
        {
            if ((CharacterClasses.Of(CharacterClasses.At(text, at, out width)) & CharacterClasses.Number) == 0)
                continue;
            match = new CharSpan(at, at + width);
            return true;
        }

        match = default;
        return false;
    }
}

/// <summary>
/// The split patterns of GPT-2 and of cl100k and its kin (Llama 3, Qwen), written out by hand since they see all text. They cover it without gaps.
/// <paramref name="digits"/> is the longest run of numbers in a piece of the cl100k kind.
/// </summary>
internal sealed class KnownPattern(bool cl100k, int digits) : Pattern
{
    public const string Gpt2 = @"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+";

    /// <summary>The hand-written form of a pattern, or null where there is none.</summary>
    public static KnownPattern? For(string regex)
    {
        const string Head = @"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|";
        const string Tail = @"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
        return regex switch
        {
            Gpt2 => new KnownPattern(false, 0),
            Head + @"\p{N}{1,3}" + Tail => new KnownPattern(true, 3),
            Head + @"\p{N}" + Tail => new KnownPattern(true, 1),
            _ => null,
        };
    }

    public override bool Next(ReadOnlySpan<char> text, int from, out CharSpan match)
    {
        match = new CharSpan(from, cl100k ? EndCl100k(text, from) : EndGpt2(text, from));
        return true;
    }

    private static int EndGpt2(ReadOnlySpan<char> text, int at)
    {
        var first = text[at];
        if (first == '\'' && Contraction(text, at, ignoreCase: false) is var end and > 0)
            return end;

        // a space goes with what follows it
        var start = first == ' ' && at + 1 < text.Length ? at + 1 : at;
        var kind = CharacterClasses.Of(CharacterClasses.At(text, start, out var width));
        return (kind & CharacterClasses.Space) == 0 ? Run(text, start + width, kind, int.MaxValue) : EndOfSpaces(text, at);
    }

    private int EndCl100k(ReadOnlySpan<char> text, int at)
    {
        if (text[at] == '\'' && Contraction(text, at, ignoreCase: true) is var end and > 0)
            return end;
        var code = CharacterClasses.At(text, at, out var width);
        var kind = CharacterClasses.Of(code);
        if (kind == CharacterClasses.Letter)
            return Run(text, at + width, CharacterClasses.Letter, int.MaxValue);
        if (kind == CharacterClasses.Number)
            return Run(text, at + width, CharacterClasses.Number, digits - 1);

        // one other character, but no line end, goes with the letters after it
        var next = at + width;
        var nextKind = (byte)255;
        var nextWidth = 0;
        if (next < text.Length)
            nextKind = CharacterClasses.Of(CharacterClasses.At(text, next, out nextWidth));
        if (code is not '\r' and not '\n' && nextKind == CharacterClasses.Letter)
            return Run(text, next + nextWidth, CharacterClasses.Letter, int.MaxValue);

        var other =
            kind == 0 ? at
            : code == ' ' && nextKind == 0 ? next
            : -1;
        if (other >= 0)
        {
            end = Run(text, other, 0, int.MaxValue);
            while (end < text.Length && text[end] is '\r' or '\n')
                end++;
            return end;
        }

        // spaces up to the last line end among them
        var last = -1;
        for (var i = at; i < text.Length && CharacterClasses.IsSpace(text[i]); i++)
        {
            if (text[i] is '\r' or '\n')
                last = i + 1;
        }

        return last > 0 ? last : EndOfSpaces(text, at);
    }

    // \s+(?!\S)|\s+ : all but the last one where something else follows. White space is in plane 0.
    private static int EndOfSpaces(ReadOnlySpan<char> text, int at)
    {
        var end = at;
        while (end < text.Length && CharacterClasses.IsSpace(text[end]))
            end++;
        return end < text.Length && end - at > 1 ? end - 1 : end;
    }

    private static int Run(ReadOnlySpan<char> text, int at, byte kind, int most)
    {
        while (most-- > 0 && at < text.Length && CharacterClasses.Of(CharacterClasses.At(text, at, out var width)) == kind)
            at += width;
        return at;
    }

    // U+017F folds to s, the only character beyond ASCII that folds to one of these letters.
    private static int Contraction(ReadOnlySpan<char> text, int at, bool ignoreCase)
    {
        if (at + 1 >= text.Length)
            return -1;
        var first = Fold(text[at + 1], ignoreCase);
        if (first is 's' or 't' or 'm' or 'd')
            return at + 2;
        if (at + 2 >= text.Length)
            return -1;
        return (first, Fold(text[at + 2], ignoreCase)) is ('r', 'e') or ('v', 'e') or ('l', 'l') ? at + 3 : -1;
    }

    private static char Fold(char c, bool ignoreCase) =>
        !ignoreCase ? c
        : c is >= 'A' and <= 'Z' ? (char)(c | 32)
        : c == '\u017F' ? 's'
        : c;
}
