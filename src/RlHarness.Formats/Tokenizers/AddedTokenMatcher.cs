using System.Buffers;

namespace RlHarness.Formats.Tokenizers;

/// <summary>Cuts text at added tokens: the leftmost first, of those that begin at one place the longest.</summary>
internal sealed class AddedTokenMatcher
{
    private readonly Node _root = new();
    private readonly SearchValues<char> _first;

    public AddedTokenMatcher(IEnumerable<(string Text, AddedToken Token)> tokens)
    {
        foreach (var (text, token) in tokens)
        {
            if (text.Length == 0)
                continue;
            var node = _root;
            foreach (var c in text)
            {
                if (!node.Next.TryGetValue(c, out var next))
                    node.Next.Add(c, next = new Node());
                node = next;
            }

            node.Token ??= token;
        }

        _first = SearchValues.Create([.. _root.Next.Keys]);
    }

    public bool IsEmpty => _root.Next.Count == 0;

    /// <param name="isText">Whether what was found is text after all; null: it never is.</param>
    public void Split(Piece piece, List<Piece> output, Func<Piece, bool>? isText = null)
    {
        var text = piece.Span;
        var done = 0;
        var at = 0;
        while (at < text.Length)
        {
            var jump = text[at..].IndexOfAny(_first);
            if (jump < 0)
                break;
            at += jump;
            if (Longest(text[at..], out var length) is not { } token)
            {
                at++;
                continue;
            }

            var (start, end) = (at, at + length);
            if (isText?.Invoke(piece.Part(start, end)) == true)
            {
                at++;
                continue;
            }

            at = end;
            if (
                token.SingleWord
                && ((start > 0 && WordBefore(text[..start])) || (end < text.Length && CharacterClasses.IsWord(CharacterClasses.At(text, end, out _))))
            )
                continue;
            if (token.LStrip)
            {
                while (start > 0 && CharacterClasses.IsSpace(text[start - 1]))
                    start--;
                start = Math.Max(start, done);
            }

            if (token.RStrip)
            {
                while (end < text.Length && CharacterClasses.IsSpace(text[end]))
                    end++;
            }

            if (done < start)
                output.Add(piece.Part(done, start));
            output.Add(piece.Part(start, end) with { Id = token.Id });
            done = end;
        }

        if (done < text.Length)
            output.Add(piece.Part(done, text.Length));
    }

    private static bool WordBefore(ReadOnlySpan<char> text)
    {
        var at = text.Length - 1;
        if (at > 0 && char.IsLowSurrogate(text[at]))
            at--;
        return CharacterClasses.IsWord(CharacterClasses.At(text, at, out _));
    }

    private AddedToken? Longest(ReadOnlySpan<char> text, out int length)
    {
        AddedToken? found = null;
        length = 0;
        var node = _root;
        for (var i = 0; i < text.Length && node.Next.TryGetValue(text[i], out var next); i++)
        {
            node = next;
            if (node.Token is null)
                continue;
            found = node.Token;
            length = i + 1;
        }

        return found;
    }

    private sealed class Node
    {
        public Dictionary<char, Node> Next { get; } = [];

        public AddedToken? Token { get; set; }
    }
}

/// <summary>A token that is found in the text before anything else is done to it.</summary>
/// <param name="Content">The text that it stands for.</param>
/// <param name="Id">Its id.</param>
/// <param name="SingleWord">Only where no word character touches it.</param>
/// <param name="LStrip">White space before it belongs to it.</param>
/// <param name="RStrip">White space after it belongs to it.</param>
/// <param name="Normalized">Looked for in the normalised text.</param>
/// <param name="Special">Left out where special tokens are skipped.</param>
internal sealed record AddedToken(string Content, int Id, bool SingleWord, bool LStrip, bool RStrip, bool Normalized, bool Special);
