using System.Runtime.CompilerServices;

namespace RlHarness.Tests;

internal static class Cases
{
    /// <summary>The same items, once it is sure that there is one: a loop over none would pass.</summary>
    public static IReadOnlyList<T> AtLeastOne<T>(this IEnumerable<T> items, [CallerArgumentExpression(nameof(items))] string what = "")
    {
        T[] all = [.. items];
        Assert.True(all.Length > 0, $"nothing to compare: {what} is empty");
        return all;
    }
}
