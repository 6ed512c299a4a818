using System.Collections.Frozen;
using RlHarness.Core.Settings;

namespace RlHarness.Tracking.Store;

/// <summary>Enumerations as run.db, exports and settings all spell them: <c>Outcome.BrokenFormat</c> is <c>broken_format</c>.</summary>
internal static class StoredWord
{
    internal static string Of<T>(T value)
        where T : struct, Enum => Words<T>.Text[value];

    internal static string? Of<T>(T? value)
        where T : struct, Enum => value is { } known ? Words<T>.Text[known] : null;

    /// <exception cref="FormatException">No value has this word.</exception>
    internal static T Read<T>(string word)
        where T : struct, Enum =>
        Words<T>.Value.TryGetValue(word, out var value)
            ? value
            : throw new FormatException($"\"{word}\" is none of {string.Join(", ", Words<T>.Text.Values.Order(StringComparer.Ordinal))}");

    private static class Words<T>
        where T : struct, Enum
    {
        internal static readonly FrozenDictionary<T, string> Text = Enum.GetValues<T>().ToFrozenDictionary(v => v, v => SettingNames.Snake(v));
        internal static readonly FrozenDictionary<string, T> Value = Text.ToFrozenDictionary(p => p.Value, p => p.Key, StringComparer.Ordinal);
    }
}
