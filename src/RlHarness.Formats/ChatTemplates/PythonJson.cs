using System.Globalization;
using System.Numerics;
using System.Text;

namespace RlHarness.Formats.ChatTemplates;

/// <summary><c>tojson</c> as transformers has it: Python's <c>json.dumps</c>, without escapes for HTML.</summary>
internal static class PythonJson
{
    public static string Write(object? value, Arguments arguments)
    {
        var indent = arguments.Get(1, "indent");
        var text = indent switch
        {
            null => null,
            string spaces => spaces,
            _ => new string(' ', (int)Math.Clamp(PythonOperators.AsIndex(indent) ?? throw TemplateError.Type("indent is not a number"), 0, 100)),
        };
        var separators = arguments.Get(2, "separators");
        var (between, after) =
            separators is null ? (text is null ? ", " : ",", ": ")
            : PythonOperators.Iterate(separators).Select(PythonText.Str).ToArray() is [var first, var second] ? (first, second)
            : throw new TemplateError("separators are two texts");
        var built = new StringBuilder();
        new Writer(built, text, between, after, arguments.Flag(0, "ensure_ascii"), arguments.Flag(3, "sort_keys")).Write(value, 0);
        return built.ToString();
    }

    private sealed class Writer(StringBuilder built, string? indent, string between, string after, bool ascii, bool sorted)
    {
        public void Write(object? value, int depth)
        {
            System.Runtime.CompilerServices.RuntimeHelpers.EnsureSufficientExecutionStack();
            switch (value)
            {
                case null:
                    built.Append("null");
                    break;
                case bool flag:
                    built.Append(flag ? "true" : "false");
                    break;
                case long or BigInteger:
                    built.Append(PythonText.Repr(value));
                    break;
                case double number:
                    built.Append(Number(number));
                    break;
                case string text:
                    TemplateWork.Spend(text.Length);
                    Text(text);
                    break;
                case List<object?> list:
                    Items(list, depth);
                    break;
                case TupleValue tuple:
                    Items(tuple.Items, depth);
                    break;
                case DictValue dict:
                    Pairs(dict, depth);
                    break;
                default:
                    throw TemplateError.Type($"Object of type {PythonText.TypeName(value)} is not JSON serializable");
            }
        }

        private static string Number(double number) =>
            double.IsNaN(number) ? "NaN"
            : double.IsInfinity(number) ? (number > 0 ? "Infinity" : "-Infinity")
            : PythonText.Float(number);

        private void Items(IReadOnlyList<object?> items, int depth)
        {
            if (items.Count == 0)
            {
                built.Append("[]");
                return;
            }

            built.Append('[');
            for (var i = 0; i < items.Count; i++)
            {
                if (i > 0)
                    built.Append(between);
                Line(depth + 1);
                Write(items[i], depth + 1);
            }

            Line(depth);
            built.Append(']');
        }

        private void Pairs(DictValue dict, int depth)
        {
            if (dict.Count == 0)
            {
                built.Append("{}");
                return;
            }

            var pairs = sorted
                ? dict.Items.OrderBy(pair => pair.Key, Comparer<object?>.Create((a, b) => PythonOperators.Order(a, b, "<")))
                : dict.Items.AsEnumerable();
            built.Append('{');
            var first = true;
            foreach (var (key, value) in pairs)
            {
                if (!first)
                    built.Append(between);
                first = false;
                Line(depth + 1);
                Text(
                    key switch
                    {
                        string text => text,
                        null => "null",
                        bool flag => flag ? "true" : "false",
                        long or BigInteger => PythonText.Repr(key),
                        double number => Number(number),
                        _ => throw TemplateError.Type($"keys must be str, int, float, bool or None, not {PythonText.TypeName(key)}"),
                    }
                );
                built.Append(after);
                Write(value, depth + 1);
            }

            Line(depth);
            built.Append('}');
        }

        private void Line(int depth)
        {
            if (indent is null)
                return;
            built.Append('\n');
            for (var i = 0; i < depth; i++)
                built.Append(indent);
        }

        private void Text(string text)
        {
            built.Append('"');
            foreach (var c in text)
            {
                switch (c)
                {
                    case '"':
                        built.Append("\\\"");
                        break;
                    case '\\':
                        built.Append("\\\\");
                        break;
                    case '\n':
                        built.Append("\\n");
                        break;
                    case '\r':
                        built.Append("\\r");
                        break;
                    case '\t':
                        built.Append("\\t");
                        break;
                    case '\b':
                        built.Append("\\b");
                        break;
                    case '\f':
                        built.Append("\\f");
                        break;
                    default:
                        if (c < 0x20 || (ascii && c > 0x7E))
                            built.Append(CultureInfo.InvariantCulture, $"\\u{(int)c:x4}");
                        else
                            built.Append(c);
                        break;
                }
            }

            built.Append('"');
        }
    }
}
