namespace RlHarness.Formats.Tokenizers;

/// <summary>Rewrites a stretch of text before it is split.</summary>
internal abstract class Normalizer
{
    public abstract Piece Apply(Piece piece, bool align);

    /// <summary>A text of its own, for added tokens that are matched after normalisation.</summary>
    public string Apply(string text) => Apply(new Piece(new AlignedText(text), 0, text.Length, AtStart: true), align: false).Span.ToString();
}

internal sealed class NfcNormalizer : Normalizer
{
    public override Piece Apply(Piece piece, bool align) => Composition.IsComposed(piece.Span) ? piece : Composition.Compose(piece, align);
}

internal sealed class PrependNormalizer(string prefix) : Normalizer
{
    public override Piece Apply(Piece piece, bool align)
    {
        if (piece.Length == 0)
            return piece;
        var built = new AlignedBuilder(align);
        CharacterClasses.At(piece.Span, 0, out var width);
        built.Append(prefix, piece.Source.Origin(piece.Start, width));
        built.Copy(piece.Source, piece.Start, piece.End);
        return built.ToPiece(piece.AtStart);
    }
}

internal sealed class ReplaceNormalizer(Pattern pattern, string content) : Normalizer
{
    public override Piece Apply(Piece piece, bool align)
    {
        var matches = pattern.Matches(piece.Span);
        if (matches.Count == 0)
            return piece;
        var built = new AlignedBuilder(align);
        var at = 0;
        foreach (var (start, end) in matches)
        {
            built.Copy(piece.Source, piece.Start + at, piece.Start + start);

            // what is put in comes from the last character that was taken out
            var width = end - start > 1 && char.IsLowSurrogate(piece.Span[end - 1]) ? 2 : 1;
            built.Append(content, end > start ? piece.Source.Origin(piece.Start + end - width, width) : new CharSpan(0, 0));
            at = end;
        }

        built.Copy(piece.Source, piece.Start + at, piece.End);
        return built.ToPiece(piece.AtStart);
    }
}

internal sealed class NormalizerSequence(IReadOnlyList<Normalizer> parts) : Normalizer
{
    public override Piece Apply(Piece piece, bool align)
    {
        foreach (var part in parts)
            piece = part.Apply(piece, align);
        return piece;
    }
}
