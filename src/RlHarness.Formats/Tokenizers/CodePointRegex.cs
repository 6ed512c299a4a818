namespace RlHarness.Formats.Tokenizers;

/// <summary>
/// A small backtracking matcher for split patterns that have no hand-written form. It matches code points, as Oniguruma does: .NET's own engine matches
/// UTF-16 units, and misses letters beyond the first plane.
/// </summary>
internal sealed class CodePointRegex : Pattern
{
    private readonly RegexNode _root;

    private CodePointRegex(RegexNode root) => _root = root;

    /// <exception cref="FormatException">The pattern has a construct that is not supported.</exception>
    public static CodePointRegex Parse(string pattern) => new(new CodePointRegexParser(pattern).Parse());

    public override bool Next(ReadOnlySpan<char> text, int from, out CharSpan match)
    {
        for (int at = from, width; at < text.Length; at += width)
        {
            var end = _root.Match(text, at);
            if (end > at)
            {
                match = new CharSpan(at, end);
                return true;
            }

            CharacterClasses.At(text, at, out width);
        }

        match = default;
        return false;
    }
}

/// <summary>A part of a pattern, linked to what follows it: <see cref="Match"/> gives the end of the whole match, or -1.</summary>
internal abstract class RegexNode
{
    public RegexNode Next { get; set; } = Accept.Instance;

    /// <summary>How many code points it takes, where that is always the same; otherwise null.</summary>
    public abstract int? Width { get; }

    /// <summary>How many code points it takes at least.</summary>
    public virtual int Least => Width ?? 0;

    public abstract int Match(ReadOnlySpan<char> text, int at);

    /// <summary>The end of a match: gives the place that was reached.</summary>
    public sealed class Accept : RegexNode
    {
        public static Accept Instance { get; } = new();

        public override int? Width => 0;

        public override int Match(ReadOnlySpan<char> text, int at) => at;
    }

    /// <summary>Nothing; goes on to what follows.</summary>
    public sealed class Empty : RegexNode
    {
        public override int? Width => 0;

        public override int Match(ReadOnlySpan<char> text, int at) => Next.Match(text, at);
    }

    /// <summary>One code point of a set.</summary>
    public sealed class One(CodePointSet set) : RegexNode
    {
        public CodePointSet Set => set;

        public override int? Width => 1;

        public override int Match(ReadOnlySpan<char> text, int at) =>
            at < text.Length && set.Contains(CharacterClasses.At(text, at, out var width)) ? Next.Match(text, at + width) : -1;
    }

    /// <summary>Between <paramref name="least"/> and <paramref name="most"/> code points of a set.</summary>
    public sealed class Run(CodePointSet set, int least, int most, bool lazy, bool possessive) : RegexNode
    {
        public override int? Width => least == most ? least : null;

        public override int Least => least;

        public override int Match(ReadOnlySpan<char> text, int at)
        {
            var count = 0;
            var end = at;
            var first = at;
            while (count < most && end < text.Length && set.Contains(CharacterClasses.At(text, end, out var width)))
            {
                if (lazy && count >= least && Next.Match(text, end) is var done and >= 0)
                    return done;
                end += width;
                if (++count == least)
                    first = end;
            }

            if (count < least)
                return -1;
            if (lazy || possessive)
                return Next.Match(text, end);
            while (true)
            {
                if (Next.Match(text, end) is var done and >= 0)
                    return done;
                if (end <= first)
                    return -1;
                end -= end > at + 1 && char.IsLowSurrogate(text[end - 1]) && char.IsHighSurrogate(text[end - 2]) ? 2 : 1;
            }
        }
    }

    /// <summary>The first branch that leads to a match. Every branch ends in a node that goes on to what follows this one.</summary>
    public sealed class Choice(RegexNode[] branches, int? width, int least) : RegexNode
    {
        public override int? Width => width;

        public override int Least => least;

        public override int Match(ReadOnlySpan<char> text, int at)
        {
            foreach (var branch in branches)
            {
                if (branch.Match(text, at) is var end and >= 0)
                    return end;
            }

            return -1;
        }
    }

    /// <summary>The end of a branch or of a loop's body: goes on where its owner says.</summary>
    public sealed class Back(RegexNode? owner = null) : RegexNode
    {
        public RegexNode? Owner { get; set; } = owner;

        public override int? Width => 0;

        public override int Match(ReadOnlySpan<char> text, int at) => Owner is Loop loop ? loop.Match(text, at) : Owner!.Next.Match(text, at);
    }

    /// <summary>A body any number of times; the body takes at least one code point and ends in a <see cref="Back"/> to this.</summary>
    public sealed class Loop(RegexNode body, bool lazy) : RegexNode
    {
        public override int? Width => null;

        public override int Match(ReadOnlySpan<char> text, int at)
        {
            if (lazy)
                return Next.Match(text, at) is var early and >= 0 ? early : body.Match(text, at);
            return body.Match(text, at) is var end and >= 0 ? end : Next.Match(text, at);
        }
    }

    /// <summary>A body matched on its own, without going back into it.</summary>
    public sealed class Atomic(RegexNode body) : RegexNode
    {
        public override int? Width => null;

        public override int Match(ReadOnlySpan<char> text, int at) => body.Match(text, at) is var end and >= 0 ? Next.Match(text, end) : -1;
    }

    /// <summary>Looks ahead (<paramref name="behind"/> 0), or that many code points behind.</summary>
    public sealed class Look(RegexNode body, bool negative, int behind) : RegexNode
    {
        public override int? Width => 0;

        public override int Match(ReadOnlySpan<char> text, int at)
        {
            var start = at;
            for (var i = 0; i < behind && start >= 0; i++)
            {
                start = start == 0 ? -1 : start - (start > 1 && char.IsLowSurrogate(text[start - 1]) && char.IsHighSurrogate(text[start - 2]) ? 2 : 1);
            }

            var found = start >= 0 && body.Match(text, start) >= 0;
            return found != negative ? Next.Match(text, at) : -1;
        }
    }

    /// <summary>The text's or a line's edge.</summary>
    public sealed class Edge(bool start, bool lines) : RegexNode
    {
        public override int? Width => 0;

        public override int Match(ReadOnlySpan<char> text, int at)
        {
            var here = start ? at == 0 || (lines && text[at - 1] == '\n') : at == text.Length || (lines && text[at] == '\n');
            return here ? Next.Match(text, at) : -1;
        }
    }
}
