using System.Globalization;
using System.Reflection;
using System.Text;

namespace RlHarness.Core.Settings;

/// <summary>Writes the page of all settings from the records themselves: key, default, what is allowed, what it means.</summary>
public static class SettingsDocument
{
    /// <param name="defaults">A record with its defaults.</param>
    public static string Markdown(object defaults)
    {
        var text = new StringBuilder();
        Section(text, "", defaults.GetType(), defaults);
        return text.ToString();
    }

    /// <summary>Every key that a key=value pair can set, with its dots; not those below lists.</summary>
    public static IEnumerable<string> Keys(Type type)
    {
        foreach (var property in SettingProperties.Of(type))
        {
            var bare = Nullable.GetUnderlyingType(property.PropertyType) ?? property.PropertyType;
            var key = SettingNames.Snake(property.Name);
            yield return key;
            if (!IsRecord(bare))
                continue;
            foreach (var below in Keys(bare))
                yield return $"{key}.{below}";
        }
    }

    private static void Section(StringBuilder text, string path, Type type, object? defaults)
    {
        text.Append(path.Length == 0 ? "## Run" : $"## `{path}`").Append("\n\n| key | default | allowed | meaning |\n|---|---|---|---|\n");
        var nested = new List<(string Path, Type Type, object? Default)>();
        foreach (var property in SettingProperties.Of(type))
        {
            var bare = Nullable.GetUnderlyingType(property.PropertyType) ?? property.PropertyType;
            var key = SettingNames.Snake(property.Name);
            var full = path.Length == 0 ? key : $"{path}.{key}";
            var value = defaults is null ? null : property.GetValue(defaults);
            var item = bare.IsGenericType ? bare.GetGenericArguments()[0] : null;
            var record =
                IsRecord(bare) ? bare
                : item is not null && IsRecord(item) ? item
                : null;
            if (record is not null)
                nested.Add(
                    (item is null ? full : full + "[]", record, item is null ? value ?? Activator.CreateInstance(record) : Activator.CreateInstance(record))
                );
            var meaning = property.GetCustomAttribute<MeaningAttribute>()?.Text ?? "";
            var allowed = record is null ? Allowed(property, bare, item) : $"see `{(item is null ? full : full + "[]")}` below";
            text.Append(
                CultureInfo.InvariantCulture,
                $"| `{full}` | {(record is not null && item is null ? value is null ? "null" : "" : Default(value))} | {allowed} | "
                    + $"{meaning.Replace("|", "\\|", StringComparison.Ordinal)} |\n"
            );
        }

        text.Append('\n');
        foreach (var part in nested)
            Section(text, part.Path, part.Type, part.Default);
    }

    private static bool IsRecord(Type type) => type.IsClass && type != typeof(string) && !type.IsGenericType;

    private static string Default(object? value) =>
        value switch
        {
            null => "null",
            string s => s.Length == 0 ? "\"\"" : $"`{s}`",
            bool b => b ? "true" : "false",
            Enum e => SettingNames.Snake(e),
            IFormattable f => f.ToString(null, CultureInfo.InvariantCulture),
            System.Collections.IEnumerable list => $"[{string.Join(", ", list.Cast<object>())}]",
            _ => value.ToString() ?? "",
        };

    private static string Allowed(PropertyInfo property, Type bare, Type? item)
    {
        if (property.GetCustomAttribute<OneOfAttribute>() is { } words)
            return string.Join(", ", words.Values) + (item is null ? "" : " (a list)");
        var range = property.GetCustomAttribute<AllowedAttribute>();
        var kind =
            bare == typeof(bool) ? "true, false"
            : bare.IsEnum ? string.Join(", ", Enum.GetNames(bare).Select(SettingNames.Snake))
            : bare == typeof(string) ? "text"
            : item is not null ? "a list"
            : range is not null ? range.ToString() + (bare == typeof(double) ? "" : ", whole")
            : bare == typeof(double) ? "a number"
            : "a whole number";
        return Nullable.GetUnderlyingType(property.PropertyType) is null ? kind : kind + ", null";
    }
}

/// <summary>One thing that is wrong with the settings.</summary>
/// <param name="Key">Dotted path, such as <c>rl.optimizer.learning_rate</c>.</param>
/// <param name="Where">File and line, or "command line".</param>
/// <param name="What">What was found and what is allowed.</param>
public sealed record SettingsProblem(string Key, string Where, string What)
{
    public override string ToString() => $"{Where}: {Key}: {What}";
}
