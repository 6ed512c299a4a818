using System.Collections;
using System.Globalization;
using System.Reflection;
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
        foreach (var property in settings.GetType().GetProperties(BindingFlags.Public | BindingFlags.Instance))
        {
            if (property.SetMethod is not { IsPublic: true } || property.GetIndexParameters().Length > 0)
                continue;
            var key = at + SettingNames.Snake(property.Name);
            var (value, usual) = (property.GetValue(settings), defaults is null ? null : property.GetValue(defaults));
            if (value is not null and not string and not IEnumerable && value.GetType() is { IsPrimitive: false, IsEnum: false, IsValueType: false })
                Compare(key + ".", value, usual, changed);
            else if (Text(value) is var text && text != Text(usual))
                changed[key] = text;
        }
    }

    private static string Text(object? value) =>
        value switch
        {
            null => "null",
            string text => text,
            bool flag => flag ? "true" : "false",
            Enum member => SettingNames.Snake(member),
            IFormattable number => number.ToString(null, CultureInfo.InvariantCulture),
            IEnumerable items => $"[{string.Join(", ", items.Cast<object?>().Select(Text))}]",
            _ => value.ToString() ?? "",
        };
}
