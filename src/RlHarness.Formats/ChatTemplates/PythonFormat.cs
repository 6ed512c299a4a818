using System.Globalization;
using System.Numerics;
using System.Text;

namespace RlHarness.Formats.ChatTemplates;

/// <summary><c>%</c>-formatting, <c>str.format</c>, <c>strftime</c> and exact rounding.</summary>
internal static class PythonFormat
{
    /// <summary>A number with a fixed count of decimals: exact, ties to even, as C's printf.</summary>
    public static string Fixed(double value, int decimals)
    {
        if (!double.IsFinite(value))
            return PythonText.Float(value);
        decimals = Math.Clamp(decimals, 0, 300);
        var bits = BitConverter.DoubleToInt64Bits(value);
        var exponent = (int)((bits >> 52) & 0x7FF);
        BigInteger mantissa = bits & 0xFFFFFFFFFFFFF;
        if (exponent == 0)
            exponent++;
        else
            mantissa += BigInteger.One << 52;
        exponent -= 1075;
        mantissa *= BigInteger.Pow(10, decimals);
        BigInteger scaled;
        if (exponent >= 0)
        {
            scaled = mantissa << exponent;
        }
        else
        {
            scaled = mantissa >> -exponent;
            var rest = mantissa - (scaled << -exponent);
            var half = BigInteger.One << (-exponent - 1);
            if (rest > half || (rest == half && !scaled.IsEven))
                scaled++;
        }

        var digits = scaled.ToString(CultureInfo.InvariantCulture).PadLeft(decimals + 1, '0');
        var shown = decimals == 0 ? digits : digits[..^decimals] + "." + digits[^decimals..];
        return double.IsNegative(value) ? "-" + shown : shown;
    }

    public static string Percent(string format, object? values)
    {
        var built = new StringBuilder();
        var items = values is TupleValue tuple ? tuple.Items : [values];
        var next = 0;
        object? Next() => next < items.Count ? items[next++] : throw TemplateError.Type("not enough arguments for format string");
        for (var i = 0; i < format.Length; i++)
        {
            if (format[i] != '%')
            {
                built.Append(format[i]);
                continue;
            }

            i++;
            object? named = null;
            var hasName = false;
            if (i < format.Length && format[i] == '(')
            {
                var close = format.IndexOf(')', i);
                if (close < 0)
                    throw new TemplateError("incomplete format key");
                if (values is not DictValue dict)
                    throw TemplateError.Type("format requires a mapping");
                if (!dict.TryGet(format[(i + 1)..close], out named))
                    throw new TemplateError($"'{format[(i + 1)..close]}'");
                (hasName, next, i) = (true, items.Count, close + 1);
            }

            var flags = "";
            while (i < format.Length && format[i] is '-' or '+' or ' ' or '0' or '#')
                flags += format[i++];
            var width = Digits(format, ref i);
            var precision = -1;
            if (i < format.Length && format[i] == '.')
            {
                i++;
                precision = Math.Max(0, Digits(format, ref i));
            }

            if (i >= format.Length)
                throw new TemplateError("incomplete format");
            if (format[i] == '%')
            {
                built.Append('%');
                continue;
            }

            var text = Convert(format[i], hasName ? named : Next(), precision, flags);
            if (text.Length < width)
            {
                text =
                    flags.Contains('-') ? text.PadRight(width)
                    : flags.Contains('0') && format[i] is not ('s' or 'r')
                        ? (text.StartsWith('-') ? "-" + text[1..].PadLeft(width - 1, '0') : text.PadLeft(width, '0'))
                    : text.PadLeft(width);
            }

            built.Append(text);
        }

        if (next < items.Count && values is not (DictValue or List<object?>))
            throw TemplateError.Type("not all arguments converted during string formatting");
        return built.ToString();
    }

    /// <summary><c>str.format</c> with positions, names, and width, alignment, precision and type.</summary>
    public static string Format(string format, Arguments arguments)
    {
        var built = new StringBuilder();
        var next = 0;
        for (var i = 0; i < format.Length; i++)
        {
            var c = format[i];
            if (c is '{' or '}' && i + 1 < format.Length && format[i + 1] == c)
            {
                built.Append(c);
                i++;
                continue;
            }

            if (c == '}')
                throw new TemplateError("Single '}' encountered in format string");
            if (c != '{')
            {
                built.Append(c);
                continue;
            }

            var close = format.IndexOf('}', i);
            if (close < 0)
                throw new TemplateError("expected '}' before end of string");
            var field = format[(i + 1)..close];
            i = close;
            var colon = field.IndexOf(':');
            var (name, spec) = colon < 0 ? (field, "") : (field[..colon], field[(colon + 1)..]);
            var repr = name.EndsWith("!r", StringComparison.Ordinal);
            if (repr || name.EndsWith("!s", StringComparison.Ordinal))
                name = name[..^2];
            var value =
                name.Length == 0 ? Position(arguments, next++)
                : name.All(char.IsAsciiDigit) ? Position(arguments, int.Parse(name, CultureInfo.InvariantCulture))
                : name.All(ch => ch == '_' || char.IsLetterOrDigit(ch)) && arguments.TryGet(-1, name, out var given) ? given
                : throw new TemplateError($"'{name}' is not among the format's arguments");
            built.Append(Spec(repr ? PythonText.Repr(value) : value, spec));
        }

        return built.ToString();
    }

    /// <summary>English names, whatever the machine's language.</summary>
    public static string Time(DateTimeOffset now, string format)
    {
        var built = new StringBuilder();
        for (var i = 0; i < format.Length; i++)
        {
            if (format[i] != '%' || i + 1 == format.Length)
            {
                built.Append(format[i]);
                continue;
            }

            var bare = format[i + 1] == '-' && i + 2 < format.Length;
            i += bare ? 2 : 1;
            var text = format[i] switch
            {
                'Y' => now.ToString("yyyy", CultureInfo.InvariantCulture),
                'y' => now.ToString("yy", CultureInfo.InvariantCulture),
                'm' => now.ToString("MM", CultureInfo.InvariantCulture),
                'd' => now.ToString("dd", CultureInfo.InvariantCulture),
                'e' => now.Day.ToString(CultureInfo.InvariantCulture).PadLeft(2),
                'H' => now.ToString("HH", CultureInfo.InvariantCulture),
                'I' => now.ToString("hh", CultureInfo.InvariantCulture),
                'M' => now.ToString("mm", CultureInfo.InvariantCulture),
                'S' => now.ToString("ss", CultureInfo.InvariantCulture),
                'f' => now.ToString("ffffff", CultureInfo.InvariantCulture),
                'p' => now.Hour < 12 ? "AM" : "PM",
                'A' => now.ToString("dddd", CultureInfo.InvariantCulture),
                'a' => now.ToString("ddd", CultureInfo.InvariantCulture),
                'B' => now.ToString("MMMM", CultureInfo.InvariantCulture),
                'b' or 'h' => now.ToString("MMM", CultureInfo.InvariantCulture),
                'j' => now.DayOfYear.ToString("000", CultureInfo.InvariantCulture),
                'w' => ((int)now.DayOfWeek).ToString(CultureInfo.InvariantCulture),
                'u' => ((((int)now.DayOfWeek + 6) % 7) + 1).ToString(CultureInfo.InvariantCulture),
                'F' => now.ToString("yyyy-MM-dd", CultureInfo.InvariantCulture),
                'T' or 'X' => now.ToString("HH:mm:ss", CultureInfo.InvariantCulture),
                'R' => now.ToString("HH:mm", CultureInfo.InvariantCulture),
                'D' or 'x' => now.ToString("MM/dd/yy", CultureInfo.InvariantCulture),
                'c' => now.ToString("ddd MMM ", CultureInfo.InvariantCulture)
                    + now.Day.ToString(CultureInfo.InvariantCulture).PadLeft(2)
                    + now.ToString(" HH:mm:ss yyyy", CultureInfo.InvariantCulture),
                's' => now.ToUnixTimeSeconds().ToString(CultureInfo.InvariantCulture),
                'z' or 'Z' => "",
                'n' => "\n",
                't' => "\t",
                '%' => "%",
                _ => "%" + format[i],
            };
            built.Append(
                bare
                    ? text.TrimStart('0', ' ') is { Length: > 0 } trimmed
                        ? trimmed
                        : "0"
                    : text
            );
        }

        return built.ToString();
    }

    private static int Digits(string format, ref int at)
    {
        var start = at;
        while (at < format.Length && char.IsAsciiDigit(format[at]))
            at++;
        return at == start ? -1
            : int.TryParse(format.AsSpan(start, at - start), CultureInfo.InvariantCulture, out var value) && value <= 10000 ? value
            : throw new TemplateError("a format's width is too large", TemplateErrorKind.Limit);
    }

    private static string Convert(char kind, object? value, int precision, string flags)
    {
        if (value is UndefinedValue undefined && kind is not ('s' or 'r'))
            throw undefined.Error();
        string text;
        switch (kind)
        {
            case 's' or 'r' or 'a':
                text = kind == 's' ? PythonText.Str(value) : PythonText.Repr(value);
                return precision >= 0 ? string.Concat(PythonText.Characters(text).Take(precision)) : text;
            case 'c':
                return value is string
                    ? (string)value
                    : char.ConvertFromUtf32((int)(PythonOperators.AsIndex(value) ?? throw TemplateError.Type("%c requires int or char")));
        }

        if (!PythonOperators.IsNumber(value))
            throw TemplateError.Type($"%{kind} format: a real number is required, not {PythonText.TypeName(value)}");
        switch (kind)
        {
            case 'd' or 'i' or 'u':
                text = (value is double real ? new BigInteger(Math.Truncate(real)) : PythonOperators.Big(value!)).ToString(CultureInfo.InvariantCulture);
                break;
            case 'f' or 'F':
                text = Fixed(PythonOperators.Real(value!), precision < 0 ? 6 : precision);
                break;
            case 'e' or 'E':
                text = PythonOperators
                    .Real(value!)
                    .ToString(
                        (kind == 'e' ? "0." : "0.") + new string('0', precision < 0 ? 6 : precision) + (kind == 'e' ? "e+00" : "E+00"),
                        CultureInfo.InvariantCulture
                    );
                break;
            case 'g' or 'G':
                text = General(PythonOperators.Real(value!), precision < 0 ? 6 : Math.Max(1, precision));
                break;
            case 'x' or 'X' or 'o':
                var number = (long)(
                    PythonOperators.AsIndex(value) ?? throw TemplateError.Type($"%{kind} format: an integer is required, not {PythonText.TypeName(value)}")
                );
                text = kind == 'o' ? System.Convert.ToString(number, 8) : Math.Abs(number).ToString(kind == 'x' ? "x" : "X", CultureInfo.InvariantCulture);
                if (kind != 'o' && number < 0)
                    text = "-" + text;
                break;
            default:
                throw new TemplateError($"unsupported format character '{kind}'");
        }

        return !text.StartsWith('-') && flags.Contains('+') ? "+" + text
            : !text.StartsWith('-') && flags.Contains(' ') ? " " + text
            : text;
    }

    private static string General(double value, int precision)
    {
        if (!double.IsFinite(value) || value == 0)
            return value == 0 ? "0" : PythonText.Float(value);
        var scientific = value.ToString("0." + new string('0', precision - 1) + "e+00", CultureInfo.InvariantCulture);
        var exponent = int.Parse(scientific.AsSpan(scientific.IndexOf('e') + 1), CultureInfo.InvariantCulture);
        if (exponent >= -4 && exponent < precision)
        {
            var plain = Fixed(value, precision - 1 - exponent);
            return plain.Contains('.') ? plain.TrimEnd('0').TrimEnd('.') : plain;
        }

        var parts = scientific.Split('e');
        return (parts[0].Contains('.') ? parts[0].TrimEnd('0').TrimEnd('.') : parts[0]) + "e" + parts[1];
    }

    private static object? Position(Arguments arguments, int index) =>
        index < arguments.Positional.Count
            ? arguments.Positional[index]
            : throw new TemplateError($"Replacement index {index} out of range for positional args tuple");

    private static string Spec(object? value, string spec)
    {
        if (spec.Length == 0)
            return PythonText.Str(value);
        var at = 0;
        var (fill, align) = (' ', '\0');
        if (spec.Length > 1 && spec[1] is '<' or '>' or '^')
            (fill, align, at) = (spec[0], spec[1], 2);
        else if (spec[0] is '<' or '>' or '^')
            (align, at) = (spec[0], 1);
        var flags = at < spec.Length && spec[at] is '+' or ' ' ? spec[at++].ToString() : "";
        if (at < spec.Length && spec[at] == '0' && align == '\0')
            (fill, align) = ('0', '>');
        var width = Digits(spec, ref at);
        var grouped = at < spec.Length && spec[at] == ',';
        if (grouped)
            at++;
        var precision = -1;
        if (at < spec.Length && spec[at] == '.')
        {
            at++;
            precision = Digits(spec, ref at);
        }

        var kind =
            at < spec.Length ? spec[at++]
            : value is string ? 's'
            : value is double ? (precision >= 0 ? 'g' : 'r')
            : PythonOperators.IsNumber(value) ? 'd'
            : 's';
        if (at < spec.Length)
            throw new TemplateError($"Invalid format specifier '{spec}'");
        var text = kind == '%' ? Fixed(PythonOperators.Real(value!) * 100, precision < 0 ? 6 : precision) + "%" : Convert(kind, value, precision, flags);
        if (grouped)
            text = Group(text);
        var missing = width - PythonText.Length(text);
        if (missing <= 0)
            return text;
        if (align == '\0')
            align = PythonOperators.IsNumber(value) ? '>' : '<';
        var left =
            align == '<' ? 0
            : align == '>' ? missing
            : missing / 2;
        if (fill == '0' && text.StartsWith('-'))
            return "-" + new string('0', missing) + text[1..];
        return new string(fill, left) + text + new string(fill, missing - left);
    }

    private static string Group(string text)
    {
        var start = text.StartsWith('-') || text.StartsWith('+') ? 1 : 0;
        var point = text.IndexOf('.');
        for (var at = (point < 0 ? text.Length : point) - 3; at > start; at -= 3)
            text = text.Insert(at, ",");
        return text;
    }
}
