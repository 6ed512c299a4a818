using System.Globalization;
using System.Numerics;
using System.Text;

namespace RlHarness.Formats.ChatTemplates;

/// <summary>Text as Python sees it: code points, <c>str</c>, <c>repr</c>, numbers.</summary>
internal static class PythonText
{
    /// <summary>What <c>str.isspace</c> takes; all in plane 0.</summary>
    public const string Spaces =
        "\t\n\v\f\r\u001c\u001d\u001e\u001f \u0085\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000";

    public static bool IsSpace(char c) => Spaces.Contains(c, StringComparison.Ordinal);

    public static string TypeName(object? value) =>
        value switch
        {
            null => "NoneType",
            bool => "bool",
            long or BigInteger => "int",
            double => "float",
            string => "str",
            List<object?> => "list",
            TupleValue => "tuple",
            DictValue => "dict",
            ViewValue view => view.Kind,
            RangeValue => "range",
            IteratorValue => "generator",
            NamespaceValue => "Namespace",
            UndefinedValue => "Undefined",
            FunctionValue => "function",
            _ => "object",
        };

    public static string Str(object? value) =>
        value switch
        {
            string text => text,
            UndefinedValue => "",
            _ => Repr(value),
        };

    public static string Repr(object? value)
    {
        System.Runtime.CompilerServices.RuntimeHelpers.EnsureSufficientExecutionStack();
        return value switch
        {
            null => "None",
            bool flag => flag ? "True" : "False",
            long number => number.ToString(CultureInfo.InvariantCulture),
            BigInteger number => Digits(number),
            double number => Float(number),
            string text => Quote(text),
            List<object?> list => $"[{string.Join(", ", list.Select(Repr))}]",
            TupleValue { Items.Count: 1 } tuple => $"({Repr(tuple.Items[0])},)",
            TupleValue tuple => $"({string.Join(", ", tuple.Items.Select(Repr))})",
            DictValue dict => $"{{{string.Join(", ", dict.Items.Select(pair => $"{Repr(pair.Key)}: {Repr(pair.Value)}"))}}}",
            ViewValue view => $"{view.Kind}([{string.Join(", ", view.Items.Select(Repr))}])",
            RangeValue { Bounds: var (start, stop, step) } => step == 1 ? $"range({start}, {stop})" : $"range({start}, {stop}, {step})",
            NamespaceValue space => $"<Namespace {Repr(space.Attributes)}>",
            UndefinedValue => "Undefined",
            FunctionValue function => $"<function {function.Name}>",
            _ => $"<{TypeName(value)}>",
        };
    }

    /// <summary>The shortest digits that read back as the same number, as <c>repr</c> writes them.</summary>
    public static string Float(double value)
    {
        if (double.IsNaN(value))
            return "nan";
        if (double.IsInfinity(value))
            return value > 0 ? "inf" : "-inf";
        if (value == 0)
            return double.IsNegative(value) ? "-0.0" : "0.0";
        var shortest = Math.Abs(value).ToString("R", CultureInfo.InvariantCulture);
        var (digits, exponent) = Digits(shortest);
        string shown;
        if (exponent is < -4 or >= 16)
        {
            shown = $"{digits[0]}{(digits.Length > 1 ? "." + digits[1..] : "")}e{(exponent < 0 ? '-' : '+')}{Math.Abs(exponent):00}";
        }
        else if (exponent < 0)
        {
            shown = "0." + new string('0', -exponent - 1) + digits;
        }
        else
        {
            if (digits.Length <= exponent)
                digits = digits.PadRight(exponent + 1, '0');
            shown = digits[..(exponent + 1)] + "." + (digits.Length > exponent + 1 ? digits[(exponent + 1)..] : "0");
        }

        return value < 0 ? "-" + shown : shown;
    }

    /// <summary>A whole number in a radix; null where the text is not one.</summary>
    public static object? ParseInteger(string digits, int radix)
    {
        if (digits.Length is 0 or > 10000)
            return null;
        var value = BigInteger.Zero;
        foreach (var c in digits)
        {
            var digit = char.IsAsciiHexDigit(c) ? Convert.ToInt32(c.ToString(), 16) : 99;
            if (digit >= radix)
                return null;
            value = (value * radix) + digit;
        }

        return PythonOperators.Shrink(value);
    }

    public static int Length(string text)
    {
        var count = text.Length;
        for (var i = 0; i + 1 < text.Length; i++)
        {
            if (!char.IsSurrogatePair(text[i], text[i + 1]))
                continue;
            count--;
            i++;
        }

        return count;
    }

    /// <summary>Python writes no whole number of more than 4,300 digits.</summary>
    private static string Digits(BigInteger number) =>
        BigInteger.Abs(number) < Unwritten
            ? number.ToString(CultureInfo.InvariantCulture)
            : throw new TemplateError("Exceeds the limit (4300 digits) for integer string conversion", TemplateErrorKind.Limit);

    private static readonly BigInteger Unwritten = BigInteger.Pow(10, 4300);

    /// <summary>Each code point as a text.</summary>
    public static IReadOnlyList<string> Characters(string text)
    {
        // Each is a text of its own.
        TemplateWork.Spend((long)text.Length * 4 * TemplateWork.Entry);
        var characters = new List<string>(text.Length);
        for (var i = 0; i < text.Length; i++)
        {
            var width = i + 1 < text.Length && char.IsSurrogatePair(text[i], text[i + 1]) ? 2 : 1;
            characters.Add(text.Substring(i, width));
            i += width - 1;
        }

        return characters;
    }

    public static int CompareCodePoints(string left, string right)
    {
        for (var i = 0; i < Math.Min(left.Length, right.Length); i++)
        {
            if (left[i] == right[i])
                continue;
            var (a, b) = (char.IsSurrogate(left[i]), char.IsSurrogate(right[i]));
            return a == b ? left[i].CompareTo(right[i])
                : a ? 1
                : -1;
        }

        return left.Length.CompareTo(right.Length);
    }

    private static (string Digits, int Exponent) Digits(string shortest)
    {
        var exponent = 0;
        if (shortest.IndexOf('E') is var e and >= 0)
        {
            exponent = int.Parse(shortest.AsSpan(e + 1), CultureInfo.InvariantCulture);
            shortest = shortest[..e];
        }

        var point = shortest.IndexOf('.');
        exponent += (point < 0 ? shortest.Length : point) - 1;
        var digits = shortest.Replace(".", "", StringComparison.Ordinal);
        var zeros = digits.Length - digits.TrimStart('0').Length;
        digits = digits.Trim('0');
        return (digits.Length == 0 ? "0" : digits, exponent - zeros);
    }

    private static string Quote(string text)
    {
        TemplateWork.Spend(text.Length);
        var quote = text.Contains('\'') && !text.Contains('"') ? '"' : '\'';
        var built = new StringBuilder().Append(quote);
        foreach (var rune in text.EnumerateRunes())
        {
            var code = rune.Value;
            switch (code)
            {
                case '\n':
                    built.Append("\\n");
                    break;
                case '\r':
                    built.Append("\\r");
                    break;
                case '\t':
                    built.Append("\\t");
                    break;
                case '\\':
                    built.Append("\\\\");
                    break;
                case var c when c == quote:
                    built.Append('\\').Append(quote);
                    break;
                default:
                    if (IsPrintable(rune) && rune.IsBmp)
                        built.Append((char)code);
                    else if (IsPrintable(rune))
                        built.Append(rune.ToString());
                    else if (code < 0x100)
                        built.Append(CultureInfo.InvariantCulture, $"\\x{code:x2}");
                    else if (code < 0x10000)
                        built.Append(CultureInfo.InvariantCulture, $"\\u{code:x4}");
                    else
                        built.Append(CultureInfo.InvariantCulture, $"\\U{code:x8}");
                    break;
            }
        }

        return built.Append(quote).ToString();
    }

    private static bool IsPrintable(Rune rune) =>
        rune.Value == ' '
        || Rune.GetUnicodeCategory(rune)
            is not (
                UnicodeCategory.Control
                or UnicodeCategory.Format
                or UnicodeCategory.Surrogate
                or UnicodeCategory.PrivateUse
                or UnicodeCategory.OtherNotAssigned
                or UnicodeCategory.LineSeparator
                or UnicodeCategory.ParagraphSeparator
                or UnicodeCategory.SpaceSeparator
            );
}
