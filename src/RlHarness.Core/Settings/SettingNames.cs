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
        Known.GetOrAdd(type, static t =>
            [
                .. t.GetProperties(BindingFlags.Public | BindingFlags.Instance)
                    .Where(p => p.SetMethod is { IsPublic: true } && p.GetIndexParameters().Length == 0)
                    .OrderBy(p => Depth(p.DeclaringType!)),
            ]
        );

    private static int Depth(Type type) => type.BaseType is { } parent ? 1 + Depth(parent) : 0;
}

/// <summary>Finds the known word that somebody probably meant.</summary>
public static class Nearest
{
    /// <summary>The candidate with the smallest edit distance, or null when none is near (more than half of the word differs).</summary>
    public static string? To(string word, IEnumerable<string> candidates)
    {
        var best = candidates
            .Select(c => (Word: c, Distance: Distance(word, c)))
            .OrderBy(x => x.Distance)
            .ThenBy(x => x.Word, StringComparer.Ordinal)
            .FirstOrDefault();
        return best.Word is not null && best.Distance <= Math.Max(2, word.Length / 2) ? best.Word : null;
    }

    /// <summary>Levenshtein distance.</summary>
    internal static int Distance(string a, string b)
    {
        var previous = Enumerable.Range(0, b.Length + 1).ToArray();
        for (var i = 1; i <= a.Length; i++)
        {
            var current = new int[b.Length + 1];
            current[0] = i;
            for (var j = 1; j <= b.Length; j++)
                current[j] = Math.Min(Math.Min(current[j - 1], previous[j]) + 1, previous[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1));
            previous = current;
        }

        return previous[^1];
    }
}
