using System.Globalization;
using System.Text;
using RlHarness.Formats.Tokenizers;

namespace RlHarness.Formats.ChatTemplates;

internal enum TokenKind
{
    Data,
    VariableBegin,
    VariableEnd,
    BlockBegin,
    BlockEnd,
    Name,
    Text,
    Integer,
    Float,
    Operator,
    End,
}

internal readonly record struct Token(TokenKind Kind, string Text, int Line, object? Value = null);

/// <summary>
/// Cuts a template into tokens, with <c>trim_blocks</c> and <c>lstrip_blocks</c> on, as chat templates are rendered: the line end after a block is
/// dropped, and so are
/// spaces before a block that stands first on its line; <c>-</c> strips more, <c>+</c> strips nothing.
/// </summary>
internal sealed class TemplateLexer
{
    private static readonly string[] Operators =
    [
        "//",
        "**",
        "==",
        "!=",
        "<=",
        ">=",
        "+",
        "-",
        "*",
        "/",
        "%",
        "~",
        "<",
        ">",
        "=",
        ".",
        ":",
        "|",
        ",",
        "(",
        ")",
        "[",
        "]",
        "{",
        "}",
        ";",
    ];
    private readonly string _source;
    private readonly List<Token> _tokens = [];
    private int _at;
    private int _line = 1;
    private bool _lineStarting = true;

    private TemplateLexer(string source)
    {
        source = source.Replace("\r\n", "\n", StringComparison.Ordinal).Replace('\r', '\n');
        _source = source.EndsWith('\n') ? source[..^1] : source;
    }

    public static List<Token> Read(string source)
    {
        var lexer = new TemplateLexer(source);
        lexer.ReadAll();
        return lexer._tokens;
    }

    private bool Here(string text) => string.CompareOrdinal(_source, _at, text, 0, text.Length) == 0;

    private void ReadAll()
    {
        while (_at < _source.Length)
        {
            var open = NextTag();
            if (open < 0)
            {
                AddData(_source[_at..]);
                _at = _source.Length;
                break;
            }

            var kind = _source[open + 1];
            var sign = open + 2 < _source.Length && _source[open + 2] is '-' or '+' ? _source[open + 2] : '\0';
            AddData(Stripped(_source[_at..open], sign, lineStart: kind != '{'));
            Advance(open + 2 + (sign == '\0' ? 0 : 1));
            if (kind == '#')
                ReadComment();
            else if (kind == '{')
                ReadExpression(TokenKind.VariableBegin, TokenKind.VariableEnd, "}}");
            else if (!ReadRaw())
                ReadExpression(TokenKind.BlockBegin, TokenKind.BlockEnd, "%}");
        }

        _tokens.Add(new Token(TokenKind.End, "", _line));
    }

    private int NextTag()
    {
        for (var at = _at; ; at++)
        {
            at = _source.IndexOf('{', at);
            if (at < 0 || at + 1 >= _source.Length)
                return -1;
            if (_source[at + 1] is '{' or '%' or '#')
                return at;
        }
    }

    private string Stripped(string text, char sign, bool lineStart)
    {
        if (sign == '-')
            return text.AsSpan().TrimEnd(PythonText.Spaces).ToString();
        if (sign == '+' || !lineStart)
            return text;
        var start = text.LastIndexOf('\n') + 1;
        if (start == 0 && !_lineStarting)
            return text;
        return text.AsSpan(start).Trim(PythonText.Spaces).IsEmpty ? text[..start] : text;
    }

    private void AddData(string text)
    {
        if (text.Length > 0)
            _tokens.Add(new Token(TokenKind.Data, text, _line));
    }

    private void Advance(int to)
    {
        for (; _at < to; _at++)
        {
            if (_source[_at] == '\n')
                _line++;
        }

        _lineStarting = to > 0 && _source[to - 1] == '\n';
    }

    // The end of a block or comment, with the space that goes with it; the text stands at the closing mark.
    private bool Close(string mark, bool trimLine)
    {
        if (Here("-" + mark))
        {
            var end = _at + 1 + mark.Length;
            while (end < _source.Length && PythonText.IsSpace(_source[end]))
                end++;
            Advance(end);
            return true;
        }

        if (trimLine && Here("+" + mark))
        {
            Advance(_at + 1 + mark.Length);
            return true;
        }

        if (!Here(mark))
            return false;
        var after = _at + mark.Length;
        Advance(trimLine && after < _source.Length && _source[after] == '\n' ? after + 1 : after);
        return true;
    }

    private void ReadComment()
    {
        var close = _source.IndexOf("#}", _at, StringComparison.Ordinal);
        if (close < 0)
            throw TemplateError.Syntax("Missing end of comment tag", _line);
        Advance(close > _at && _source[close - 1] is '-' or '+' ? close - 1 : close);
        Close("#}", trimLine: true);
    }

    private bool ReadRaw()
    {
        var at = _at;
        if (!Word(ref at, "raw"))
            return false;
        var minus = string.CompareOrdinal(_source, at, "-%}", 0, 3) == 0;
        if (!minus && string.CompareOrdinal(_source, at, "%}", 0, 2) != 0)
            return false;
        Advance(at);
        Close("%}", trimLine: false);
        for (var open = _source.IndexOf("{%", _at, StringComparison.Ordinal); open >= 0; open = _source.IndexOf("{%", open + 1, StringComparison.Ordinal))
        {
            var inside = open + 2;
            var sign = inside < _source.Length && _source[inside] is '-' or '+' ? _source[inside++] : '\0';
            if (!Word(ref inside, "endraw"))
                continue;
            AddData(Stripped(_source[_at..open], sign, lineStart: true));
            Advance(inside);
            if (!Close("%}", trimLine: true))
                throw TemplateError.Syntax("endraw is not closed", _line);
            return true;
        }

        throw TemplateError.Syntax("Missing end of raw directive", _line);
    }

    private bool Word(ref int at, string word)
    {
        while (at < _source.Length && PythonText.IsSpace(_source[at]))
            at++;
        if (string.CompareOrdinal(_source, at, word, 0, word.Length) != 0)
            return false;
        at += word.Length;
        while (at < _source.Length && PythonText.IsSpace(_source[at]))
            at++;
        return true;
    }

    private void ReadExpression(TokenKind begin, TokenKind end, string mark)
    {
        _tokens.Add(new Token(begin, "", _line));
        var open = new Stack<char>();
        while (true)
        {
            while (_at < _source.Length && PythonText.IsSpace(_source[_at]))
                Advance(_at + 1);
            if (_at >= _source.Length)
                throw TemplateError.Syntax("a tag is not closed", _line);
            if (open.Count == 0)
            {
                var line = _line;
                if (Close(mark, trimLine: end == TokenKind.BlockEnd))
                {
                    _tokens.Add(new Token(end, "", line));
                    return;
                }
            }

            ReadToken(open);
        }
    }

    private void ReadToken(Stack<char> open)
    {
        var c = _source[_at];
        if (char.IsAsciiDigit(c))
        {
            ReadNumber();
        }
        else if (c == '_' || CharacterClasses.IsWord(CharacterClasses.At(_source, _at, out _)))
        {
            var end = _at;
            while (end < _source.Length && CharacterClasses.IsWord(CharacterClasses.At(_source, end, out var width)))
                end += width;
            _tokens.Add(new Token(TokenKind.Name, _source[_at..end], _line));
            Advance(end);
        }
        else if (c is '\'' or '"')
        {
            ReadText(c);
        }
        else
        {
            foreach (var sign in Operators)
            {
                if (!Here(sign))
                    continue;
                if (sign is "(" or "[" or "{")
                    open.Push(sign[0]);
                if (sign is ")" or "]" or "}" && (!open.TryPop(out var opened) || (opened, sign[0]) is not (('(', ')') or ('[', ']') or ('{', '}'))))
                {
                    throw TemplateError.Syntax($"unexpected '{sign}'", _line);
                }

                _tokens.Add(new Token(TokenKind.Operator, sign, _line));
                Advance(_at + sign.Length);
                return;
            }

            throw TemplateError.Syntax($"unexpected char '{c}' at {_at}", _line);
        }
    }

    private void ReadNumber()
    {
        var end = _at;
        if (_source[_at] == '0' && _at + 1 < _source.Length && char.ToLowerInvariant(_source[_at + 1]) is 'x' or 'o' or 'b')
        {
            end = _at + 2;
            while (end < _source.Length && (char.IsAsciiHexDigit(_source[end]) || _source[end] == '_'))
                end++;
            var radix = char.ToLowerInvariant(_source[_at + 1]) switch
            {
                'x' => 16,
                'o' => 8,
                _ => 2,
            };
            Number(end, PythonText.ParseInteger(_source[(_at + 2)..end].Replace("_", "", StringComparison.Ordinal), radix));
            return;
        }

        var real = false;
        Digits(ref end);
        if (end + 1 < _source.Length && _source[end] == '.' && char.IsAsciiDigit(_source[end + 1]))
        {
            real = true;
            end++;
            Digits(ref end);
        }

        if (end < _source.Length && _source[end] is 'e' or 'E')
        {
            var exponent = end + 1;
            if (exponent < _source.Length && _source[exponent] is '+' or '-')
                exponent++;
            if (exponent < _source.Length && char.IsAsciiDigit(_source[exponent]))
            {
                real = true;
                end = exponent;
                Digits(ref end);
            }
        }

        var digits = _source[_at..end].Replace("_", "", StringComparison.Ordinal);
        Number(end, real ? double.Parse(digits, CultureInfo.InvariantCulture) : PythonText.ParseInteger(digits, 10));
    }

    private void Number(int end, object? value)
    {
        if (value is null)
            throw TemplateError.Syntax($"'{_source[_at..end]}' is not a number", _line);
        _tokens.Add(new Token(value is double ? TokenKind.Float : TokenKind.Integer, _source[_at..end], _line, value));
        Advance(end);
    }

    private void Digits(ref int at)
    {
        while (at < _source.Length && (char.IsAsciiDigit(_source[at]) || (_source[at] == '_' && at + 1 < _source.Length && char.IsAsciiDigit(_source[at + 1]))))
            at++;
    }

    private void ReadText(char quote)
    {
        var built = new StringBuilder();
        var at = _at + 1;
        while (true)
        {
            if (at >= _source.Length)
                throw TemplateError.Syntax($"unexpected char '{quote}' at {_at}", _line);
            var c = _source[at++];
            if (c == quote)
                break;
            if (c == '\\' && at < _source.Length)
                at = Escape(at, built);
            else
                built.Append(c);
        }

        _tokens.Add(new Token(TokenKind.Text, built.ToString(), _line));
        Advance(at);
    }

    // Python's escapes; one that is not known stays as it is written.
    private int Escape(int at, StringBuilder built)
    {
        var c = _source[at];
        switch (c)
        {
            case '\n':
                return at + 1;
            case 'n':
                built.Append('\n');
                return at + 1;
            case 't':
                built.Append('\t');
                return at + 1;
            case 'r':
                built.Append('\r');
                return at + 1;
            case 'a':
                built.Append('\a');
                return at + 1;
            case 'b':
                built.Append('\b');
                return at + 1;
            case 'f':
                built.Append('\f');
                return at + 1;
            case 'v':
                built.Append('\v');
                return at + 1;
            case '\\' or '\'' or '"':
                built.Append(c);
                return at + 1;
            case 'x':
                return Code(at + 1, 2, 16, built);
            case 'u':
                return Code(at + 1, 4, 16, built);
            case 'U':
                return Code(at + 1, 8, 16, built);
            case >= '0' and <= '7':
                var digits = 1;
                while (digits < 3 && at + digits < _source.Length && _source[at + digits] is >= '0' and <= '7')
                    digits++;
                return Code(at, digits, 8, built);
            default:
                built.Append('\\').Append(c);
                return at + 1;
        }
    }

    private int Code(int at, int digits, int radix, StringBuilder built)
    {
        var value = at + digits <= _source.Length ? PythonText.ParseInteger(_source.Substring(at, digits), radix) : null;
        if (value is not long code || code > 0x10FFFF)
            throw TemplateError.Syntax("a text has a broken escape", _line);
        if (code < 0x10000)
            built.Append((char)code);
        else
            built.Append(char.ConvertFromUtf32((int)code));
        return at + digits;
    }
}
