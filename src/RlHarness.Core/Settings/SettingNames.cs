using System.Collections.Concurrent;
using System.Reflection;
using System.Text;

namespace RlHarness.Core.Settings;

/// <summary>C# names to the spelling of files: <c>LearningRate</c> is <c>learning_rate</c>.</summary>
public static class SettingNames
{
    public static string Snake(string name)
    {
        var text = new StringBuilder();
        for (var i = 0; i < name.Length; i++)
        {
            if (char.IsUpper(name[i]) && i > 0 && (!char.IsUpper(name[i - 1]) || (i + 1 < name.Length && char.IsLower(name[i + 1]))))
                text.Append('_');
            text.Append(char.ToLowerInvariant(name[i]));
        }

        return text.ToString();
    }

    /// <summary>A value as files hold it: <c>Outcome.BrokenFormat</c> is <c>broken_format</c>.</summary>
    public static string Snake(Enum value)
    {
        ArgumentNullException.ThrowIfNull(value);
        return Snake(value.ToString());
    }
}

/// <summary>
/// The properties of a record that are settings: all that can be set. A record that inherits another has that one's settings on its own level, before
/// its own, so that a stage can take the settings type of what it runs and add to it.
/// </summary>
internal static class SettingProperties
{
    private static readonly ConcurrentDictionary<Type, IReadOnlyList<PropertyInfo>> Known = new();

    internal static IReadOnlyList<PropertyInfo> Of(Type type) =>
        Known.GetOrAdd(
            type,
            static t =>
                [
                    .. t.GetProperties(BindingFlags.Public | BindingFlags.Instance)
                        .Where(p => p.SetMethod is { IsPublic: true } && p.GetIndexParameters().Length == 0)
                        .OrderBy(p => Depth(p.DeclaringType!)),
                ]
        );

    private static int Depth(Type type) => type.BaseType is { } parent ? 1 + Depth(parent) : 0;
}
