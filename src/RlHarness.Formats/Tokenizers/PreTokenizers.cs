namespace RlHarness.Formats.Tokenizers;

/// <summary>Splits pieces into smaller ones.</summary>
internal abstract class PreTokenizer
{
    public abstract void Apply(Piece piece, bool align, List<Piece> output);
}

internal enum SplitBehavior
{
    Removed,
    Isolated,
    MergedWithPrevious,
    MergedWithNext,
    Contiguous,
}

internal sealed class SplitPreTokenizer(Pattern pattern, SplitBehavior behavior, bool invert) : PreTokenizer
{
    public override void Apply(Piece piece, bool align, List<Piece> output)
    {
        var text = piece.Span;
        if (text.Length == 0)
            return;
        if (behavior == SplitBehavior.Isolated)
        {
            var at = 0;
            while (at < text.Length && pattern.Next(text, at, out var match))
            {
                if (match.Start > at)
                    Add(piece, at, match.Start, output);
                Add(piece, match.Start, match.End, output);
                at = match.End;
            }

            if (at < text.Length)
                Add(piece, at, text.Length, output);
            return;
        }

        foreach (var (start, end) in Merge(Parts(text), text.Length))
            Add(piece, start, end, output);
    }

    private static void Add(Piece piece, int start, int end, List<Piece> output) => output.Add(piece.Part(start, end));

    private List<(CharSpan Span, bool Match)> Parts(ReadOnlySpan<char> text)
    {
        var parts = new List<(CharSpan, bool)>();
        var at = 0;
        foreach (var match in pattern.Matches(text))
        {
            if (match.Start > at)
                parts.Add((new CharSpan(at, match.Start), invert));
            parts.Add((match, !invert));
            at = match.End;
        }

        if (at < text.Length)
            parts.Add((new CharSpan(at, text.Length), invert));
        return parts;
    }

    private List<CharSpan> Merge(List<(CharSpan Span, bool Match)> parts, int length)
    {
        var merged = new List<CharSpan>();
        switch (behavior)
        {
            case SplitBehavior.Removed:
                merged.AddRange(parts.Where(part => !part.Match).Select(part => part.Span));
                break;
            case SplitBehavior.Contiguous:
                for (var i = 0; i < parts.Count; i++)
                {
                    if (i > 0 && parts[i].Match == parts[i - 1].Match)
                        merged[^1] = merged[^1] with { End = parts[i].Span.End };
                    else
                        merged.Add(parts[i].Span);
                }

                break;
            case SplitBehavior.MergedWithPrevious:
                for (var i = 0; i < parts.Count; i++)
                {
                    if (i > 0 && parts[i].Match && !parts[i - 1].Match)
                        merged[^1] = merged[^1] with { End = parts[i].Span.End };
                    else
                        merged.Add(parts[i].Span);
                }

                break;
            case SplitBehavior.MergedWithNext:
                for (var i = parts.Count - 1; i >= 0; i--)
                {
                    if (i + 1 < parts.Count && parts[i].Match && !parts[i + 1].Match)
                        merged[^1] = merged[^1] with { Start = parts[i].Span.Start };
                    else
                        merged.Add(parts[i].Span);
                }

                merged.Reverse();
                break;
            default:
                merged.Add(new CharSpan(0, length));
                break;
        }

        return merged;
    }
}

/// <summary>Puts a space before a piece that does not begin with one (ByteLevel's <c>add_prefix_space</c>).</summary>
internal sealed class PrefixSpacePreTokenizer : PreTokenizer
{
    private static readonly PrependNormalizer Prepend = new(" ");

    public override void Apply(Piece piece, bool align, List<Piece> output) =>
        output.Add(piece.Length > 0 && piece.Span[0] != ' ' ? Prepend.Apply(piece, align) : piece);
}

internal enum PrependScheme
{
    Always,
    First,
    Never,
}

/// <summary>SentencePiece's way: spaces become a visible mark, one is put in front.</summary>
internal sealed class MetaspacePreTokenizer(string mark, PrependScheme scheme, bool split) : PreTokenizer
{
    private readonly ReplaceNormalizer _replace = new(new LiteralPattern(" "), mark);
    private readonly PrependNormalizer _prepend = new(mark);
    private readonly SplitPreTokenizer _split = new(new LiteralPattern(mark), SplitBehavior.MergedWithNext, invert: false);

    public override void Apply(Piece piece, bool align, List<Piece> output)
    {
        if (piece.Length == 0)
            return;
        var marked = _replace.Apply(piece, align);
        var wanted = scheme == PrependScheme.Always || (scheme == PrependScheme.First && piece.AtStart);
        if (wanted && !marked.Span.StartsWith(mark, StringComparison.Ordinal))
            marked = _prepend.Apply(marked, align);
        if (split)
            _split.Apply(marked, align, output);
        else
            output.Add(marked);
    }
}

/// <summary>
/// Cuts before each mark that follows another character. Right only where no vocabulary entry spans such a place, which the loader checks; then merges
/// never cross it, and short pieces can be remembered.
/// </summary>
internal sealed class MarkBoundaryPreTokenizer(char mark) : PreTokenizer
{
    public override void Apply(Piece piece, bool align, List<Piece> output)
    {
        var text = piece.Span;
        var start = 0;
        for (var i = 1; i < text.Length; i++)
        {
            if (text[i] != mark || text[i - 1] == mark)
                continue;
            output.Add(piece.Part(start, i));
            start = i;
        }

        if (start < text.Length)
            output.Add(piece.Part(start, text.Length));
    }
}
