using System.Collections.Concurrent;
using System.Reflection;

namespace RlHarness.Core.Settings;

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
