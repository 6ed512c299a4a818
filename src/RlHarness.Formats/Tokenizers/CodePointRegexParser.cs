using System.Globalization;

namespace RlHarness.Formats.Tokenizers;

/// <summary>
/// Parses: alternatives, groups (all without capture), inline <c>(?i)</c>, look-ahead, look-behind of fixed width, atomic groups, classes with
/// ranges, nesting and
/// <c>&amp;&amp;</c>, general categories, greedy, lazy and possessive quantifiers.
/// </summary>
internal sealed class CodePointRegexParser(string pattern)
{
    private int _at;
    private bool _ignoreCase;

    public RegexNode Parse()
    {
        var root = Alternatives();
        if (_at < pattern.Length)
            throw Error("unbalanced ')'");
        return root;
    }

    private bool More => _at < pattern.Length;

    private FormatException Error(string what) => new(string.Create(CultureInfo.InvariantCulture, $"{what} at character {_at}"));

    private bool Take(string text)
    {
        if (string.CompareOrdinal(pattern, _at, text, 0, text.Length) != 0)
            return false;
        _at += text.Length;
        return true;
    }

    private RegexNode Alternatives()
    {
        var outer = _ignoreCase;
        var branches = new List<List<RegexNode>> { Branch() };
        while (Take("|"))
            branches.Add(Branch());
        _ignoreCase = outer;
        if (branches.Count == 1)
            return Chain(branches[0]);
        var ends = branches.Select(_ => new RegexNode.Back()).ToArray();
        var widths = branches.Select(Width).Distinct().ToArray();
        var least = branches.Min(branch => branch.Sum(ChainLeast));
        for (var i = 0; i < branches.Count; i++)
            branches[i].Add(ends[i]);
        var choice = new RegexNode.Choice([.. branches.Select(Chain)], widths.Length == 1 ? widths[0] : null, least);
        foreach (var end in ends)
            end.Owner = choice;
        return choice;
    }

    private static int? Width(IEnumerable<RegexNode> nodes) => nodes.Aggregate((int?)0, (sum, node) => sum + ChainWidth(node));

    // A chain's nodes are linked; its last one is found again through Last, where more is to follow.
    private static RegexNode Chain(List<RegexNode> nodes)
    {
        if (nodes.Count == 0)
            nodes.Add(new RegexNode.Empty());
        for (var i = 0; i + 1 < nodes.Count; i++)
            Last(nodes[i]).Next = nodes[i + 1];
        return nodes[0];
    }

    private static RegexNode Last(RegexNode node)
    {
        while (node.Next is not RegexNode.Accept)
            node = node.Next;
        return node;
    }

    private static int? ChainWidth(RegexNode node)
    {
        int? width = 0;
        for (var at = node; at is not RegexNode.Accept; at = at.Next)
            width += at.Width;
        return width;
    }

    private static int ChainLeast(RegexNode node)
    {
        var least = 0;
        for (var at = node; at is not RegexNode.Accept; at = at.Next)
            least += at.Least;
        return least;
    }

    private List<RegexNode> Branch()
    {
        var nodes = new List<RegexNode>();
        while (More && pattern[_at] is not ('|' or ')'))
        {
            var start = _at;
            var node = Atom();
            if (node is null)
                continue;
            nodes.AddRange(Quantified(node, start));
        }

        return nodes;
    }

    private IEnumerable<RegexNode> Quantified(RegexNode node, int start)
    {
        if (!Quantifier(out var least, out var most))
            return [node];
        var lazy = Take("?");
        var possessive = !lazy && Take("+");
        if (node is RegexNode.One one && one.Next is RegexNode.Accept)
            return [new RegexNode.Run(one.Set, least, most, lazy, possessive)];

        // any other body is written out: as often as it must be, then as often as it may be
        var end = _at;
        var nodes = new List<RegexNode>();
        RegexNode Again()
        {
            _at = start;
            var copy = Atom()!;
            _at = end;
            return copy;
        }

        if (least > 16 || (most != int.MaxValue && most > 16))
            throw Error("a group repeated more than 16 times is not supported;");
        for (var i = 0; i < least; i++)
            nodes.Add(Again());
        if (most == int.MaxValue)
        {
            var body = Again();
            if (ChainLeast(body) == 0)
                throw Error("a loop over nothing is not supported;");
            var back = new RegexNode.Back();
            var loop = new RegexNode.Loop(Chain([body, back]), lazy);
            back.Owner = loop;
            nodes.Add(loop);
        }

        for (var i = least; i < most && most != int.MaxValue; i++)
        {
            var (taken, left) = (new RegexNode.Back(), new RegexNode.Back());
            var with = Chain([Again(), taken]);
            var choice = new RegexNode.Choice(lazy ? [left, with] : [with, left], null, 0);
            (taken.Owner, left.Owner) = (choice, choice);
            nodes.Add(choice);
        }

        if (nodes.Count == 0)
            nodes.Add(new RegexNode.Empty());
        return possessive ? [new RegexNode.Atomic(Chain(nodes))] : nodes;
    }

    private bool Quantifier(out int least, out int most)
    {
        (least, most) = (0, int.MaxValue);
        if (Take("*"))
            return true;
        if (Take("+"))
        {
            least = 1;
            return true;
        }

        if (Take("?"))
        {
            most = 1;
            return true;
        }

        if (!More || pattern[_at] != '{')
            return false;
        var close = pattern.IndexOf('}', _at);
        if (close < 0)
            return false;
        var parts = pattern[(_at + 1)..close].Split(',');
        if (parts.Length > 2 || !parts.All(part => part.All(char.IsAsciiDigit)) || parts.All(part => part.Length == 0))
            return false;
        least = parts[0].Length == 0 ? 0 : int.Parse(parts[0], CultureInfo.InvariantCulture);
        most =
            parts.Length == 1 ? least
            : parts[1].Length == 0 ? int.MaxValue
            : int.Parse(parts[1], CultureInfo.InvariantCulture);
        if (most < least)
            throw Error("a quantifier's upper end is below its lower one");
        _at = close + 1;
        return true;
    }

    private RegexNode? Atom()
    {
        if (Take("("))
            return Group();
        if (Take("["))
            return new RegexNode.One(new CodePointSet(Class()));
        if (Take("^"))
            return new RegexNode.Edge(start: true, lines: true);
        if (Take("$"))
            return new RegexNode.Edge(start: false, lines: true);
        if (Take(@"\A"))
            return new RegexNode.Edge(start: true, lines: false);
        if (Take(@"\z"))
            return new RegexNode.Edge(start: false, lines: false);
        if (Take("."))
            return new RegexNode.One(new CodePointSet(c => c != '\n'));
        if (pattern[_at] is '*' or '+' or '?')
            throw Error("a quantifier without anything before it");
        if (pattern[_at] == '\\')
            return new RegexNode.One(new CodePointSet(Escape(out var single) ?? Literal(single)));
        return new RegexNode.One(new CodePointSet(Literal(Character())));
    }

    private RegexNode? Group()
    {
        if (!Take("?"))
            return Close(Alternatives());
        if (Take("<=") || Take("<!"))
        {
            var negative = pattern[_at - 1] == '!';
            var body = Close(Alternatives());
            return new RegexNode.Look(body, negative, ChainWidth(body) ?? throw Error("look-behind of changing width is not supported;"));
        }

        if (Take("=") || Take("!"))
        {
            var negative = pattern[_at - 1] == '!';
            return new RegexNode.Look(Close(Alternatives()), negative, 0);
        }

        if (Take(">"))
            return new RegexNode.Atomic(Close(Alternatives()));
        if (Take(":"))
            return Close(Alternatives());
        var on = true;
        var ignoreCase = _ignoreCase;
        while (More && pattern[_at] is not (':' or ')'))
        {
            if (Take("-"))
                on = false;
            else if (Take("i"))
                ignoreCase = on;
            else
                throw Error("a group of a kind that is not supported");
        }

        var outer = _ignoreCase;
        _ignoreCase = ignoreCase;
        if (Take(")"))
            return null;
        if (!Take(":"))
            throw Error("an unfinished group");
        var inner = Close(Alternatives());
        _ignoreCase = outer;
        return inner;
    }

    private RegexNode Close(RegexNode body) => Take(")") ? body : throw Error("a group without ')'");

    private int Character()
    {
        var code = CharacterClasses.At(pattern, _at, out var width);
        _at += width;
        return code;
    }

    private Func<int, bool> Literal(int code)
    {
        if (!_ignoreCase)
            return c => c == code;
        var folded = CodePointSet.Fold(code);
        return c => c == code || CodePointSet.Fold(c) == folded;
    }

    // Either a set, or a single code point with null.
    private Func<int, bool>? Escape(out int single)
    {
        _at++;
        single = -1;
        if (!More)
            throw Error("an escape without a character");
        var letter = Character();
        switch (letter)
        {
            case 's':
                return CharacterClasses.IsSpace;
            case 'S':
                return c => !CharacterClasses.IsSpace(c);
            case 'd':
                return CodePointSet.Property("Nd");
            case 'D':
                return c => CharacterClasses.Category(c) != UnicodeCategory.DecimalDigitNumber;
            case 'w':
                return CharacterClasses.IsWord;
            case 'W':
                return c => !CharacterClasses.IsWord(c);
            case 'p' or 'P':
                return Property(letter == 'P');
            case 'n':
                single = '\n';
                return null;
            case 'r':
                single = '\r';
                return null;
            case 't':
                single = '\t';
                return null;
            case 'f':
                single = '\f';
                return null;
            case 'v':
                single = '\v';
                return null;
            case 'a':
                single = '\a';
                return null;
            case 'e':
                single = 0x1B;
                return null;
            case 'x':
                single = Hex(2);
                return null;
            case 'u':
                single = Hex(4);
                return null;
            default:
                if (letter < 128 && char.IsAsciiLetterOrDigit((char)letter))
                    throw Error($"the escape \\{(char)letter} is not supported;");
                single = letter;
                return null;
        }
    }

    private int Hex(int digits)
    {
        var end = _at + digits;
        if (Take("{"))
        {
            end = pattern.IndexOf('}', _at);
            var inner = int.Parse(pattern.AsSpan(_at, end - _at), NumberStyles.HexNumber, CultureInfo.InvariantCulture);
            _at = end + 1;
            return inner;
        }

        if (end > pattern.Length)
            throw Error("an unfinished escape");
        var code = int.Parse(pattern.AsSpan(_at, digits), NumberStyles.HexNumber, CultureInfo.InvariantCulture);
        _at = end;
        return code;
    }

    private Func<int, bool> Property(bool negative)
    {
        string name;
        if (Take("{"))
        {
            var close = pattern.IndexOf('}', _at);
            if (close < 0)
                throw Error("a property without '}'");
            name = pattern[_at..close];
            _at = close + 1;
        }
        else
        {
            name = More ? pattern[_at++].ToString() : "";
        }

        if (name.StartsWith('^'))
            (name, negative) = (name[1..], !negative);
        var property = CodePointSet.Property(name) ?? throw Error($"the property '{name}' is not known;");
        return negative ? c => !property(c) : property;
    }

    private Func<int, bool> Class()
    {
        var negative = Take("^");
        var parts = new List<Func<int, bool>>();
        var first = true;
        Func<int, bool>? both = null;
        while (true)
        {
            if (!More)
                throw Error("a class without ']'");
            if (!first && Take("]"))
                break;
            first = false;
            if (Take("&&"))
            {
                both = And(both, Any(parts));
                parts = [];
                continue;
            }

            if (pattern[_at] == '[')
            {
                _at++;
                parts.Add(Class());
                continue;
            }

            int low;
            if (pattern[_at] == '\\')
            {
                var set = Escape(out low);
                if (set is not null)
                {
                    parts.Add(set);
                    continue;
                }
            }
            else
            {
                low = Character();
            }

            if (_at + 1 < pattern.Length && pattern[_at] == '-' && pattern[_at + 1] != ']')
            {
                _at++;
                int high;
                if (pattern[_at] == '\\')
                {
                    if (Escape(out high) is not null)
                        throw Error("a range that ends in a set");
                }
                else
                {
                    high = Character();
                }

                parts.Add(_ignoreCase ? c => In(c, low, high) || In(CodePointSet.Fold(c), low, high) || In(Upper(c), low, high) : c => In(c, low, high));
            }
            else
            {
                parts.Add(Literal(low));
            }
        }

        var all = And(both, Any(parts));
        return negative ? c => !all(c) : all;

        static bool In(int c, int low, int high) => c >= low && c <= high;
        static int Upper(int c) => System.Text.Rune.IsValid(c) ? System.Text.Rune.ToUpperInvariant(new System.Text.Rune(c)).Value : c;
        static Func<int, bool> And(Func<int, bool>? left, Func<int, bool> right) => left is null ? right : c => left(c) && right(c);
        static Func<int, bool> Any(List<Func<int, bool>> sets)
        {
            var array = sets.ToArray();
            return c =>
            {
                foreach (var set in array)
                {
                    if (set(c))
                        return true;
                }

                return false;
            };
        }
    }
}
