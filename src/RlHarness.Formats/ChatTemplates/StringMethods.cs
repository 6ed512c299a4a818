using System.Globalization;
using System.Text;

namespace RlHarness.Formats.ChatTemplates;

/// <summary>The methods of <c>str</c>.</summary>
internal static class StringMethods
{
    private static readonly Dictionary<string, Func<string, Arguments, object?>> All = new(StringComparer.Ordinal)
    {
        ["strip"] = (text, a) => Strip(text, a.Get(0, "chars"), true, true),
        ["lstrip"] = (text, a) => Strip(text, a.Get(0, "chars"), true, false),
        ["rstrip"] = (text, a) => Strip(text, a.Get(0, "chars"), false, true),
        ["split"] = (text, a) => Split(text, a.Get(0, "sep"), a.Integer(1, "maxsplit", -1)),
        ["rsplit"] = (text, a) => SplitRight(text, a.Get(0, "sep"), a.Integer(1, "maxsplit", -1)),
        ["splitlines"] = (text, a) => Lines(text, a.Flag(0, "keepends")).Cast<object?>().ToList(),
        ["partition"] = (text, a) => Partition(text, Required(a, 0), last: false),
        ["rpartition"] = (text, a) => Partition(text, Required(a, 0), last: true),
        ["upper"] = (text, _) => PythonCasing.Upper(text),
        ["lower"] = (text, _) => PythonCasing.Lower(text),
        ["title"] = (text, _) => PythonCasing.Title(text),
        ["capitalize"] = (text, _) => PythonCasing.Capitalize(text),
        ["swapcase"] = (text, _) => PythonCasing.Swap(text),
        ["casefold"] = (text, _) => PythonCasing.Fold(text),
        ["startswith"] = (text, a) => Affix(text, a, static (whole, part) => whole.StartsWith(part, StringComparison.Ordinal)),
        ["endswith"] = (text, a) => Affix(text, a, static (whole, part) => whole.EndsWith(part, StringComparison.Ordinal)),
        ["replace"] = (text, a) => Replace(text, Required(a, 0), Required(a, 1), a.Integer(2, "count", -1)),
        ["find"] = (text, a) => Find(text, a, last: false, required: false),
        ["rfind"] = (text, a) => Find(text, a, last: true, required: false),
        ["index"] = (text, a) => Find(text, a, last: false, required: true),
        ["rindex"] = (text, a) => Find(text, a, last: true, required: true),
        ["count"] = (text, a) => Count(text, Required(a, 0)),
        ["join"] = (text, a) =>
            Join(
                text,
                PythonOperators
                    .Iterate(a.Require(0, "iterable"))
                    .Select(
                        (item, at) =>
                            item as string ?? throw TemplateError.Type($"sequence item {at}: expected str instance, {PythonText.TypeName(item)} found")
                    )
            ),
        ["isdigit"] = (text, _) =>
            Every(text, static rune =>
                Rune.GetNumericValue(rune) is >= 0 and <= 9 && Rune.GetUnicodeCategory(rune) is UnicodeCategory.DecimalDigitNumber
                || (Rune.GetUnicodeCategory(rune) == UnicodeCategory.OtherNumber && CharUnicodeInfo.GetDigitValue(rune.ToString(), 0) >= 0)
            ),
        ["isdecimal"] = (text, _) => Every(text, static rune => Rune.GetUnicodeCategory(rune) == UnicodeCategory.DecimalDigitNumber),
        ["isnumeric"] = (text, _) => Every(text, Rune.IsNumber),
        ["isalpha"] = (text, _) => Every(text, Rune.IsLetter),
        ["isalnum"] = (text, _) => Every(text, static rune => Rune.IsLetter(rune) || Rune.IsNumber(rune)),
        ["isspace"] = (text, _) => text.Length > 0 && text.All(PythonText.IsSpace),
        ["isascii"] = (text, _) => text.All(char.IsAscii),
        ["isupper"] = (text, _) => IsCase(text, upper: true),
        ["islower"] = (text, _) => IsCase(text, upper: false),
        ["istitle"] = (text, _) => text.EnumerateRunes().Any(Rune.IsLetter) && PythonCasing.Title(text) == text,
        ["isidentifier"] = (text, _) => text.Length > 0 && !char.IsDigit(text[0]) && text.All(c => c == '_' || char.IsLetterOrDigit(c)),
        ["center"] = (text, a) => Pad(text, a, side: 0),
        ["ljust"] = (text, a) => Pad(text, a, side: 1),
        ["rjust"] = (text, a) => Pad(text, a, side: -1),
        ["zfill"] = (text, a) => ZeroFill(text, Width(a)),
        ["format"] = PythonFormat.Format,
        ["format_map"] = (text, a) =>
            PythonFormat.Format(
                text,
                new Arguments([], [.. ((DictValue)a.Require(0, "mapping")!).Items.Select(pair => KeyValuePair.Create(PythonText.Str(pair.Key), pair.Value))])
            ),
        ["removeprefix"] = (text, a) => text.StartsWith(Required(a, 0), StringComparison.Ordinal) ? text[Required(a, 0).Length..] : text,
        ["removesuffix"] = (text, a) =>
            Required(a, 0) is { Length: > 0 } suffix && text.EndsWith(suffix, StringComparison.Ordinal) ? text[..^suffix.Length] : text,
        ["expandtabs"] = (text, a) => ExpandTabs(text, a.Integer(0, "tabsize", 8)),
        ["translate"] = Translate,
        ["encode"] = (text, _) => new IteratorValue(Encoding.UTF8.GetBytes(text).Select(value => (object?)(long)value)),
    };

    public static FunctionValue? Find(string text, string name) =>
        All.TryGetValue(name, out var method) ? new FunctionValue(name, arguments => method(text, arguments)) : null;

    public static string Strip(string text, object? characters, bool left, bool right)
    {
        if (characters is UndefinedValue undefined)
            throw undefined.Error();
        var set = characters is null ? PythonText.Spaces : characters as string ?? throw TemplateError.Type("strip arg must be None or str");
        var runes = set.EnumerateRunes().ToHashSet();
        var (start, end) = (0, text.Length);
        while (
            left
            && start < end
            && Rune.DecodeFromUtf16(text.AsSpan(start, end - start), out var rune, out var width) == System.Buffers.OperationStatus.Done
            && runes.Contains(rune)
        )
            start += width;
        while (
            right
            && end > start
            && Rune.DecodeLastFromUtf16(text.AsSpan(start, end - start), out var rune, out var width) == System.Buffers.OperationStatus.Done
            && runes.Contains(rune)
        )
            end -= width;
        return text[start..end];
    }

    /// <summary>Lines as <c>str.splitlines</c> cuts them.</summary>
    public static List<string> Lines(string text, bool keepEnds = false)
    {
        var lines = new List<string>();
        var start = 0;
        for (var i = 0; i < text.Length; i++)
        {
            if (text[i] is not ('\n' or '\r' or '\v' or '\f' or '\x1c' or '\x1d' or '\x1e' or '\x85' or '\u2028' or '\u2029'))
                continue;
            var end = i + 1;
            if (text[i] == '\r' && end < text.Length && text[end] == '\n')
                end++;
            lines.Add(text[start..(keepEnds ? end : i)]);
            start = end;
            i = end - 1;
        }

        if (start < text.Length)
            lines.Add(text[start..]);
        return lines;
    }

    /// <summary>Joins texts, each counted before it is written.</summary>
    public static string Join(string between, IEnumerable<string> parts) =>
        string.Join(
            between,
            parts.Select(part =>
            {
                TemplateWork.Spend((long)part.Length + between.Length);
                return part;
            })
        );

    public static string Replace(string text, string old, string by, int count)
    {
        if (by.Length > 0)
            TemplateWork.Spend((long)by.Length * (old.Length == 0 ? text.Length + 1 : text.AsSpan().Count(old)));
        if (count < 0 && old.Length > 0)
            return text.Replace(old, by, StringComparison.Ordinal);
        var built = new StringBuilder();
        var at = 0;
        if (old.Length == 0)
        {
            foreach (var character in PythonText.Characters(text))
            {
                if (count-- != 0)
                    built.Append(by);
                else
                    count++;
                built.Append(character);
            }

            return (count != 0 ? built.Append(by) : built).ToString();
        }

        for (; count > 0 && text.IndexOf(old, at, StringComparison.Ordinal) is var found and >= 0; count--)
        {
            built.Append(text, at, found - at).Append(by);
            at = found + old.Length;
        }

        return built.Append(text, at, text.Length - at).ToString();
    }

    public static string Center(string text, int width)
    {
        var missing = width - PythonText.Length(text);
        if (missing <= 0)
            return text;
        var left = (missing / 2) + (missing & width & 1);
        return new string(' ', left) + text + new string(' ', missing - left);
    }

    public static List<object?> Split(string text, object? separator, int most)
    {
        var parts = new List<object?>();
        var at = 0;
        if (separator is null)
        {
            while (true)
            {
                while (at < text.Length && PythonText.IsSpace(text[at]))
                    at++;
                if (at == text.Length)
                    return parts;
                if (most >= 0 && parts.Count == most)
                {
                    parts.Add(Strip(text[at..], null, false, true));
                    return parts;
                }

                var start = at;
                while (at < text.Length && !PythonText.IsSpace(text[at]))
                    at++;
                parts.Add(text[start..at]);
            }
        }

        var mark = Separator(separator);
        while ((most < 0 || parts.Count < most) && text.IndexOf(mark, at, StringComparison.Ordinal) is var found and >= 0)
        {
            parts.Add(text[at..found]);
            at = found + mark.Length;
        }

        parts.Add(text[at..]);
        return parts;
    }

    private static List<object?> SplitRight(string text, object? separator, int most)
    {
        if (most < 0)
            return Split(text, separator, most);
        var parts = new List<object?>();
        var end = text.Length;
        if (separator is null)
        {
            while (true)
            {
                while (end > 0 && PythonText.IsSpace(text[end - 1]))
                    end--;
                if (end == 0)
                    break;
                if (parts.Count == most)
                {
                    parts.Add(Strip(text[..end], null, true, false));
                    break;
                }

                var last = end;
                while (end > 0 && !PythonText.IsSpace(text[end - 1]))
                    end--;
                parts.Add(text[end..last]);
            }
        }
        else
        {
            var mark = Separator(separator);
            while (parts.Count < most && end >= mark.Length && text.LastIndexOf(mark, end - 1, StringComparison.Ordinal) is var found and >= 0)
            {
                parts.Add(text[(found + mark.Length)..end]);
                end = found;
            }

            parts.Add(text[..end]);
        }

        parts.Reverse();
        return parts;
    }

    private static string Separator(object separator) =>
        separator switch
        {
            UndefinedValue undefined => throw undefined.Error(),
            string { Length: > 0 } text => text,
            string => throw new TemplateError("empty separator"),
            _ => throw TemplateError.Type($"must be str or None, not {PythonText.TypeName(separator)}"),
        };

    private static string Required(Arguments arguments, int index) =>
        index < arguments.Positional.Count
            ? arguments.Positional[index] switch
            {
                string text => text,
                UndefinedValue undefined => throw undefined.Error(),
                var other => throw TemplateError.Type($"argument {index + 1} must be str, not {PythonText.TypeName(other)}"),
            }
            : arguments.Named.Select(pair => pair.Value).OfType<string>().ElementAtOrDefault(index - arguments.Positional.Count)
                ?? throw TemplateError.Type($"missing argument {index + 1}");

    private static TupleValue Partition(string text, string mark, bool last)
    {
        if (mark.Length == 0)
            throw new TemplateError("empty separator");
        var at = last ? text.LastIndexOf(mark, StringComparison.Ordinal) : text.IndexOf(mark, StringComparison.Ordinal);
        if (at < 0)
            return new TupleValue(last ? ["", "", text] : [text, "", ""]);
        return new TupleValue([text[..at], mark, text[(at + mark.Length)..]]);
    }

    private static object Affix(string text, Arguments arguments, Func<string, string, bool> test)
    {
        var wanted = arguments.Require(0, "prefix");
        if (arguments.Positional.Count > 1)
            text = (string)PythonAttributes.Slice(text, arguments.Get(1, "start"), arguments.Get(2, "end"), null)!;
        if (wanted is TupleValue any)
            return any.Items.Any(part => part is string one && test(text, one));
        if (wanted is UndefinedValue undefined)
            throw undefined.Error();
        return wanted is string single
            ? test(text, single)
            : throw TemplateError.Type($"startswith first arg must be str or a tuple of str, not {PythonText.TypeName(wanted)}");
    }

    private static object Find(string text, Arguments arguments, bool last, bool required)
    {
        var wanted = Required(arguments, 0);
        var from = 0;
        var within = text;
        if (arguments.Positional.Count > 1)
        {
            var length = PythonText.Length(text);
            from = arguments.Integer(1, "start", 0);
            from = Math.Clamp(from < 0 ? from + length : from, 0, length);
            within = (string)PythonAttributes.Slice(text, (long)from, arguments.Get(2, "end"), null)!;
        }

        var at = last ? within.LastIndexOf(wanted, StringComparison.Ordinal) : within.IndexOf(wanted, StringComparison.Ordinal);
        if (at < 0)
            return required ? throw new TemplateError("substring not found") : -1L;
        return (long)from + PythonText.Length(within[..at]);
    }

    private static object Count(string text, string part)
    {
        if (part.Length == 0)
            return (long)PythonText.Length(text) + 1;
        var count = 0L;
        for (var at = 0; (at = text.IndexOf(part, at, StringComparison.Ordinal)) >= 0; at += part.Length)
            count++;
        return count;
    }

    private static object Every(string text, Func<Rune, bool> test)
    {
        foreach (var rune in text.EnumerateRunes())
        {
            if (!test(rune))
                return false;
        }

        return text.Length > 0;
    }

    public static bool IsCase(string text, bool upper)
    {
        var cased = false;
        foreach (var rune in text.EnumerateRunes())
        {
            if (upper ? PythonCasing.IsLower(rune) : PythonCasing.IsUpper(rune))
                return false;
            if (Rune.GetUnicodeCategory(rune) == UnicodeCategory.TitlecaseLetter)
                return false;
            cased |= upper ? PythonCasing.IsUpper(rune) : PythonCasing.IsLower(rune);
        }

        return cased;
    }

    private static int Width(Arguments arguments) => Math.Min(arguments.Integer(0, "width", 0), 100_000);

    private static string Pad(string text, Arguments arguments, int side)
    {
        var width = Width(arguments);
        var fill = arguments.Text(1, "fillchar", " ");
        if (PythonText.Length(fill) != 1)
            throw TemplateError.Type("The fill character must be exactly one character long");
        var missing = width - PythonText.Length(text);
        if (missing <= 0)
            return text;
        var left =
            side > 0 ? 0
            : side < 0 ? missing
            : (missing / 2) + (missing & width & 1);
        return string.Concat(Enumerable.Repeat(fill, left)) + text + string.Concat(Enumerable.Repeat(fill, missing - left));
    }

    private static string ZeroFill(string text, int width)
    {
        var missing = width - PythonText.Length(text);
        if (missing <= 0)
            return text;
        var sign = text.StartsWith('-') || text.StartsWith('+') ? 1 : 0;
        return text[..sign] + new string('0', missing) + text[sign..];
    }

    private static string ExpandTabs(string text, int size)
    {
        var built = new StringBuilder();
        var column = 0;
        foreach (var character in PythonText.Characters(text))
        {
            if (character == "\t")
            {
                var spaces = size > 0 ? size - (column % size) : 0;
                built.Append(' ', spaces);
                column += spaces;
                continue;
            }

            built.Append(character);
            column = character is "\n" or "\r" ? 0 : column + 1;
        }

        return built.ToString();
    }

    private static string Translate(string text, Arguments arguments)
    {
        if (arguments.Require(0, "table") is not DictValue table)
            throw TemplateError.Type("translate needs a dict");
        var built = new StringBuilder();
        foreach (var rune in text.EnumerateRunes())
        {
            if (!table.TryGet((long)rune.Value, out var by))
                built.Append(rune.ToString());
            else if (by is string replacement)
                built.Append(replacement);
            else if (by is long code)
                built.Append(char.ConvertFromUtf32((int)code));
        }

        return built.ToString();
    }
}
