using System.Collections;
using System.Globalization;
using RlHarness.Core.Settings;

namespace RlHarness.Recipes.Running;

/// <summary>In what two settings records differ, by key as a person would write it.</summary>
internal static class ChangedKeys
{
    /// <summary>Where a run lies and what it is called do not affect what it does.</summary>
    private static readonly string[] Elsewhere = ["name", "output"];

    public static IReadOnlyDictionary<string, string> Of(object settings, object defaults)
    {
        var changed = new SortedDictionary<string, string>(StringComparer.Ordinal);
        Compare("", settings, defaults, changed);
        foreach (var key in Elsewhere)
            changed.Remove(key);
        return changed;
    }

    /// <summary>What a setting is, by its key with dots; null stands where a part of the key is null.</summary>
    public static string Value(object settings, string key)
    {
        object? at = settings;
        foreach (var part in key.Split('.'))
            at = at?.GetType().GetProperties().FirstOrDefault(p => SettingNames.Snake(p.Name) == part)?.GetValue(at);
        return Text(at);
    }

    private static void Compare(string at, object settings, object? defaults, SortedDictionary<string, string> changed)
    {
        foreach (var property in SettingProperties.Of(settings.GetType()))
        {
            var key = at + SettingNames.Snake(property.Name);
            var (value, usual) = (property.GetValue(settings), defaults is null ? null : property.GetValue(defaults));
            if (value is not null and not string and not IEnumerable && value.GetType() is { IsPrimitive: false, IsEnum: false, IsValueType: false })
                Compare(key + ".", value, usual, changed);
            else if (Text(value) is var text && text != Text(usual))
                changed[key] = text;
        }
    }

    /// <summary>A value by what is in it, however it is held: a list of records that were read equals the array that they were written from.</summary>
    private static string Text(object? value) =>
        value switch
        {
            null => "null",
            string text => text,
            bool flag => flag ? "true" : "false",
            Enum member => SettingNames.Snake(member),
            IFormattable number => number.ToString(null, CultureInfo.InvariantCulture),
            IDictionary pairs => $"{{ {string.Join(", ", pairs.Keys.Cast<object>().Select(key => $"{Text(key)}: {Text(pairs[key])}"))} }}",
            IEnumerable items => $"[{string.Join(", ", items.Cast<object?>().Select(Text))}]",
            _ => $"{{ {string.Join(", ", SettingProperties.Of(value.GetType()).Select(p => $"{SettingNames.Snake(p.Name)}: {Text(p.GetValue(value))}"))} }}",
        };
}
