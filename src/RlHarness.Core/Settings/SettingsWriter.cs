using System.Collections;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;

namespace RlHarness.Core.Settings;

/// <summary>Writes a settings record as YAML with every setting, defaults included, in the order of declaration.</summary>
public static class SettingsWriter
{
    public static string ToYaml(object settings)
    {
        var text = new StringBuilder();
        Record(text, settings, 0);
        return text.ToString();
    }

    /// <summary>SHA-256 of the YAML of several parts, hexadecimal: the key of a cached stage.</summary>
    public static string Hash(params object[] parts)
    {
        var all = string.Join("\n---\n", parts.Select(p => p is string s ? s : ToYaml(p)));
        return Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(all)));
    }

    private static void Record(StringBuilder text, object record, int indent)
    {
        foreach (var property in SettingProperties.Of(record.GetType()))
        {
            var value = property.GetValue(record);
            text.Append(' ', indent).Append(SettingNames.Snake(property.Name)).Append(':');
            Value(text, value, indent);
        }
    }

    private static void Value(StringBuilder text, object? value, int indent)
    {
        switch (value)
        {
            case null:
                text.AppendLine(" null");
                break;
            case string or bool or Enum or IFormattable:
                text.Append(' ').AppendLine(Scalar(value));
                break;
            case IEnumerable list:
                var items = list.Cast<object>().ToArray();
                if (items.All(i => i is string or bool or Enum or IFormattable))
                    text.Append(" [").AppendJoin(", ", items.Select(Scalar)).AppendLine("]");
                else
                {
                    text.AppendLine();
                    foreach (var item in items)
                    {
                        var inner = new StringBuilder();
                        Record(inner, item, indent + 4);
                        text.Append(' ', indent + 2).Append("- ").Append(inner.ToString().TrimStart());
                    }
                }

                break;
            default:
                text.AppendLine();
                Record(text, value, indent + 2);
                break;
        }
    }

    private static string Scalar(object value) =>
        value switch
        {
            bool b => b ? "true" : "false",
            Enum e => SettingNames.Snake(e),
            string s => Plain(s)
                ? s
                : "\""
                    + s.Replace("\\", "\\\\", StringComparison.Ordinal)
                        .Replace("\"", "\\\"", StringComparison.Ordinal)
                        .Replace("\n", "\\n", StringComparison.Ordinal)
                    + "\"",
            double d => d.ToString("R", CultureInfo.InvariantCulture),
            IFormattable f => f.ToString(null, CultureInfo.InvariantCulture),
            _ => value.ToString() ?? "",
        };

    private static bool Plain(string s) =>
        s.Length > 0
        && s.All(c => char.IsAsciiLetterOrDigit(c) || c is '_' or '-' or '/' or '.')
        && !double.TryParse(s, NumberStyles.Float, CultureInfo.InvariantCulture, out _)
        && s is not ("true" or "false" or "null")
        && char.IsAsciiLetter(s[0]);
}
