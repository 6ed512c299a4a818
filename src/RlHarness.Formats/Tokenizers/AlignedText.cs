namespace RlHarness.Formats.Tokenizers;

/// <summary>
/// Text on its way through the tokenizer, and where each of its characters comes from in the text that was given. Both are counted in UTF-16 units.
/// Without tables it is the given text itself.
/// </summary>
internal sealed class AlignedText(string text, int[]? starts = null, int[]? ends = null)
{
    public string Text { get; } = text;

    /// <summary>Where the character at <paramref name="index"/> comes from; a surrogate pair is one character.</summary>
    public CharSpan Origin(int index, int width) => starts is null ? new CharSpan(index, index + width) : new CharSpan(starts[index], ends![index]);

    /// <summary>Where a stretch comes from: from its first character's begin to its last one's end.</summary>
    public CharSpan Origin(CharSpan range)
    {
        if (starts is null || range.Length == 0)
            return range;
        return new CharSpan(starts[range.Start], ends![range.End - 1]);
    }
}

/// <summary>
/// A stretch of a text that is encoded apart from its neighbours; with an id it is an added token. <paramref name="AtStart"/>: the given text begins with it.
/// </summary>
internal readonly record struct Piece(AlignedText Source, int Start, int End, bool AtStart, int Id = -1)
{
    public int Length => End - Start;

    public ReadOnlySpan<char> Span => Source.Text.AsSpan(Start, End - Start);

    /// <summary>A part, counted from this piece's start.</summary>
    public Piece Part(int start, int end) => this with { Start = Start + start, End = Start + end, AtStart = AtStart && start == 0 };
}

/// <summary>Builds a text together with its alignment.</summary>
internal sealed class AlignedBuilder(bool align)
{
    private readonly System.Text.StringBuilder _text = new();
    private readonly List<int> _starts = [];
    private readonly List<int> _ends = [];

    public void Append(ReadOnlySpan<char> text, CharSpan origin)
    {
        _text.Append(text);
        if (!align)
            return;
        for (var i = 0; i < text.Length; i++)
        {
            _starts.Add(origin.Start);
            _ends.Add(origin.End);
        }
    }

    /// <summary>Copies characters as they are.</summary>
    public void Copy(AlignedText source, int start, int end)
    {
        var text = source.Text.AsSpan(start, end - start);
        if (!align)
        {
            _text.Append(text);
            return;
        }

        for (int i = 0, width; i < text.Length; i += width)
        {
            CharacterClasses.At(text, i, out width);
            Append(text.Slice(i, width), source.Origin(start + i, width));
        }
    }

    public Piece ToPiece(bool atStart)
    {
        var text = _text.ToString();
        return new Piece(align ? new AlignedText(text, [.. _starts], [.. _ends]) : new AlignedText(text), 0, text.Length, atStart);
    }
}

/// <summary>A stretch of a string, <c>[Start, End)</c>, in UTF-16 units as .NET's strings count.</summary>
public readonly record struct CharSpan(int Start, int End)
{
    public int Length => End - Start;
}

/// <summary>Token ids, and for each the stretch of the text that it stands for (empty for tokens that the post-processor adds).</summary>
public sealed record TokenizedText(int[] Ids, CharSpan[] Spans);
