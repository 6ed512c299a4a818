using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;

namespace RlHarness.Formats.ChatTemplates;

/// <summary>What may follow <c>|</c>.</summary>
internal static partial class TemplateFilters
{
    private static readonly Dictionary<string, Func<object?, Arguments, object?>> All = new(StringComparer.Ordinal)
    {
        ["abs"] = (value, _) =>
            value is double real ? Math.Abs(real)
            : PythonOperators.IsNumber(value) ? PythonOperators.Shrink(System.Numerics.BigInteger.Abs(PythonOperators.Big(value!)))
            : throw TemplateError.Type("bad operand type for abs()"),
        ["attr"] = (value, a) => PythonAttributes.Attribute(value, a.Text(0, "name", ""), orItem: false),
        ["capitalize"] = (value, _) => PythonCasing.Capitalize(PythonText.Str(value)),
        ["center"] = (value, a) => StringMethods.Center(PythonText.Str(value), Math.Min(a.Integer(0, "width", 80), 100_000)),
        ["count"] = (value, _) => PythonOperators.Length(value),
        ["d"] = Default,
        ["default"] = Default,
        ["e"] = Escape,
        ["escape"] = Escape,
        ["filesizeformat"] = (value, a) => FileSize(Number(value), a.Flag(0, "binary")),
        ["float"] = (value, a) => ToFloat(value) ?? a.Get(0, "default", 0.0),
        ["forceescape"] = Escape,
        ["format"] = (value, a) => PythonFormat.Percent(PythonText.Str(value), a.Named.Count > 0 ? Dict(a.Named) : new TupleValue(a.Positional)),
        ["indent"] = Indent,
        ["int"] = (value, a) => ToInteger(value, a.Integer(1, "base", 10)) ?? a.Get(0, "default", 0L),
        ["length"] = (value, _) => PythonOperators.Length(value),
        ["lower"] = (value, _) => PythonCasing.Lower(PythonText.Str(value)),
        ["pprint"] = (value, _) => PythonText.Repr(value),
        ["replace"] = (value, a) =>
            StringMethods.Replace(
                PythonText.Str(value),
                PythonText.Str(a.Require(0, "old")),
                PythonText.Str(a.Require(1, "new")),
                a.Get(2, "count") is null ? -1 : a.Integer(2, "count", -1)
            ),
        ["round"] = Round,
        ["safe"] = (value, _) => PythonText.Str(value),
        ["string"] = (value, _) => PythonText.Str(value),
        ["striptags"] = (value, _) => string.Join(' ', StringMethods.Split(Tags().Replace(PythonText.Str(value), ""), null, -1)),
        ["title"] = (value, _) => Words().Replace(PythonText.Str(value), match => PythonCasing.Capitalize(match.Value)),
        ["tojson"] = PythonJson.Write,
        ["trim"] = (value, a) => StringMethods.Strip(PythonText.Str(value), a.Get(0, "chars"), true, true),
        ["truncate"] = Truncate,
        ["upper"] = (value, _) => PythonCasing.Upper(PythonText.Str(value)),
        ["urlencode"] = (value, _) => UrlEncode(value),
        ["wordcount"] = (value, _) => (long)WordRuns().Count(PythonText.Str(value)),
        ["wordwrap"] = WordWrap,
    };

    public static bool Exists(string name) => All!.ContainsKey(name) || SequenceFilters.All.ContainsKey(name);

    public static object? Apply(string name, object? value, Arguments arguments) =>
        All.TryGetValue(name, out var filter) || SequenceFilters.All.TryGetValue(name, out filter)
            ? filter(value, arguments)
            : throw TemplateError.Syntax($"No filter named '{name}'.", 0);

    public static DictValue Dict(IEnumerable<KeyValuePair<string, object?>> pairs)
    {
        var dict = new DictValue();
        foreach (var (key, value) in pairs)
            dict.Set(key, value);
        return dict;
    }

    private static object? Default(object? value, Arguments arguments) =>
        value is UndefinedValue || (arguments.Flag(1, "boolean") && !PythonOperators.Truth(value)) ? arguments.Get(0, "default_value", "") : value;

    private static string Escape(object? value, Arguments arguments) =>
        PythonText
            .Str(value)
            .Replace("&", "&amp;", StringComparison.Ordinal)
            .Replace(">", "&gt;", StringComparison.Ordinal)
            .Replace("<", "&lt;", StringComparison.Ordinal)
            .Replace("'", "&#39;", StringComparison.Ordinal)
            .Replace("\"", "&#34;", StringComparison.Ordinal);

    private static double Number(object? value) =>
        value switch
        {
            UndefinedValue undefined => throw undefined.Error(),
            _ when PythonOperators.IsNumber(value) => PythonOperators.Real(value!),
            _ => ToFloat(value) as double? ?? throw TemplateError.Type($"'{PythonText.TypeName(value)}' is not a number"),
        };

    private static string FileSize(double bytes, bool binary)
    {
        var unit = binary ? 1024 : 1000;
        if (bytes == 1)
            return "1 Byte";
        if (bytes < unit)
            return $"{(long)bytes} Bytes";
        string[] names = binary ? ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB", "ZiB", "YiB"] : ["kB", "MB", "GB", "TB", "PB", "EB", "ZB", "YB"];
        var at = 0;
        for (bytes /= unit; bytes >= unit && at < names.Length - 1; at++)
            bytes /= unit;
        return PythonFormat.Fixed(bytes, 1) + " " + names[at];
    }

    private static object? ToFloat(object? value)
    {
        if (PythonOperators.IsNumber(value))
            return PythonOperators.Real(value!);
        if (value is not string text)
            return value is UndefinedValue undefined ? throw undefined.Error() : null;
        text = StringMethods.Strip(text, null, true, true);
        if (
            text.Length > 0
            && text.All(c => char.IsAsciiDigit(c) || c is '+' or '-' or '.' or 'e' or 'E')
            && double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out var parsed)
        )
            return parsed;
        return text.ToLowerInvariant() switch
        {
            "inf" or "+inf" or "infinity" => double.PositiveInfinity,
            "-inf" or "-infinity" => double.NegativeInfinity,
            "nan" => double.NaN,
            _ => null,
        };
    }

    private static object? ToInteger(object? value, int radix)
    {
        switch (value)
        {
            case double real:
                return double.IsFinite(real) ? PythonOperators.Shrink(new System.Numerics.BigInteger(Math.Truncate(real))) : null;
            case UndefinedValue undefined:
                throw undefined.Error();
            case not string when PythonOperators.IsNumber(value):
                return PythonOperators.Shrink(PythonOperators.Big(value!));
            case not string:
                return null;
        }

        var text = StringMethods.Strip((string)value, null, true, true).Replace("_", "", StringComparison.Ordinal);
        var negative = text.StartsWith('-');
        if (negative || text.StartsWith('+'))
            text = text[1..];
        var prefix = radix switch
        {
            16 => "0x",
            8 => "0o",
            2 => "0b",
            _ => "",
        };
        if (prefix.Length > 0 && text.StartsWith(prefix, StringComparison.OrdinalIgnoreCase))
            text = text[2..];
        if (PythonText.ParseInteger(text, radix) is { } whole)
            return negative ? PythonOperators.Negate(whole) : whole;
        return ToFloat(value) is double parsed && double.IsFinite(parsed)
            ? PythonOperators.Shrink(new System.Numerics.BigInteger(Math.Truncate(parsed)))
            : null;
    }

    private static object? Round(object? value, Arguments arguments)
    {
        if (value is UndefinedValue undefined)
            throw undefined.Error();
        if (!PythonOperators.IsNumber(value))
            throw TemplateError.Type($"type {PythonText.TypeName(value)} doesn't define __round__ method");
        var precision = arguments.Integer(0, "precision", 0);
        var method = arguments.Text(1, "method", "common");
        var real = PythonOperators.Real(value!);
        if (method == "common")
        {
            if (value is not double)
                return value is bool ? PythonOperators.Shrink(PythonOperators.Big(value)) : value;
            if (precision < 0)
                return Math.Round(real / Math.Pow(10, -precision)) * Math.Pow(10, -precision);
            return double.Parse(PythonFormat.Fixed(real, precision), CultureInfo.InvariantCulture);
        }

        var scale = Math.Pow(10, precision);
        return method switch
        {
            "ceil" => Math.Ceiling(real * scale) / scale,
            "floor" => Math.Floor(real * scale) / scale,
            _ => throw new TemplateError("method must be common, ceil or floor"),
        };
    }

    private static string Indent(object? value, Arguments arguments)
    {
        var width = arguments.Get(0, "width", 4L);
        var by = width as string ?? new string(' ', Math.Clamp(arguments.Integer(0, "width", 4), 0, 1000));
        var (first, blank) = (arguments.Flag(1, "first"), arguments.Flag(2, "blank"));
        var lines = StringMethods.Lines(PythonText.Str(value) + "\n");
        var text = blank ? string.Join("\n" + by, lines) : string.Join('\n', lines.Select((line, at) => at > 0 && line.Length > 0 ? by + line : line));
        return first ? by + text : text;
    }

    private static string Truncate(object? value, Arguments arguments)
    {
        var text = PythonText.Str(value);
        var length = arguments.Integer(0, "length", 255);
        var end = arguments.Text(2, "end", "...");
        var characters = PythonText.Characters(text);
        if (characters.Count <= length + (arguments.Get(3, "leeway") is null ? 5 : arguments.Integer(3, "leeway", 5)))
            return text;
        if (length < PythonText.Length(end))
            throw new TemplateError($"expected length >= {PythonText.Length(end)}, got {length}");
        var cut = string.Concat(characters.Take(length - PythonText.Length(end)));
        if (!arguments.Flag(1, "killwords") && cut.LastIndexOf(' ') is var space and >= 0)
            cut = cut[..space];
        return cut + end;
    }

    private static string UrlEncode(object? value)
    {
        if (value is DictValue dict)
            return string.Join('&', dict.Items.Select(pair => $"{Encode(PythonText.Str(pair.Key), "")}={Encode(PythonText.Str(pair.Value), "")}"));
        return Encode(PythonText.Str(value), "/");
        static string Encode(string text, string safe)
        {
            var built = new StringBuilder();
            foreach (var value in Encoding.UTF8.GetBytes(text))
            {
                if (char.IsAsciiLetterOrDigit((char)value) || "_.-~".Contains((char)value) || safe.Contains((char)value))
                    built.Append((char)value);
                else
                    built.Append(CultureInfo.InvariantCulture, $"%{value:X2}");
            }

            return built.ToString();
        }
    }

    private static string WordWrap(object? value, Arguments arguments)
    {
        var width = Math.Max(1, arguments.Integer(0, "width", 79));
        var breakLong = arguments.Flag(1, "break_long_words", true);
        var end = arguments.Get(2, "wrapstring") as string ?? "\n";
        var wrapped = new List<string>();
        foreach (var line in StringMethods.Lines(PythonText.Str(value)))
        {
            var built = "";
            foreach (Match piece in Chunks().Matches(line))
            {
                var chunk = piece.Value;
                if (built.Length + chunk.Length > width && built.TrimEnd().Length > 0)
                {
                    wrapped.Add(built.TrimEnd());
                    built = "";
                }

                if (built.Length == 0 && string.IsNullOrWhiteSpace(chunk) && wrapped.Count > 0)
                    continue;
                while (breakLong && chunk.Length > width)
                {
                    wrapped.Add(chunk[..width]);
                    chunk = chunk[width..];
                }

                built += chunk;
            }

            wrapped.Add(built.TrimEnd());
        }

        return string.Join(end, wrapped);
    }

    [GeneratedRegex(@"<!--.*?-->|<[^>]*>", RegexOptions.Singleline)]
    private static partial Regex Tags();

    // a word begins after white space, a hyphen or an opening bracket
    [GeneratedRegex(@"[^-\s({\[<]+")]
    private static partial Regex Words();

    [GeneratedRegex(@"\w+")]
    private static partial Regex WordRuns();

    [GeneratedRegex(@"\s+|\S+")]
    private static partial Regex Chunks();
}
