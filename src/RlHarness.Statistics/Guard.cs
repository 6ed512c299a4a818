using System.Runtime.CompilerServices;

namespace RlHarness.Statistics;

/// <summary>Inputs that a statistic has no meaning for are refused, with the name and the value.</summary>
internal static class Guard
{
    public static void That(bool condition, string message)
    {
        if (!condition)
            throw new ArgumentException(message);
    }

    /// <summary>Strictly between 0 and 1; 95 in place of 0.95 is the usual mistake.</summary>
    public static double Fraction(double value, [CallerArgumentExpression(nameof(value))] string? name = null) =>
        value is > 0 and < 1 ? value : throw new ArgumentOutOfRangeException(name, value, "a fraction strictly between 0 and 1, such as 0.95");

    public static double Probability(double value, [CallerArgumentExpression(nameof(value))] string? name = null) =>
        value is >= 0 and <= 1 ? value : throw new ArgumentOutOfRangeException(name, value, "from 0 to 1");

    public static void Counts(long successes, long trials, [CallerArgumentExpression(nameof(trials))] string? name = null)
    {
        if (trials < 1)
            throw new ArgumentOutOfRangeException(name, trials, "at least one trial");
        if (successes < 0 || successes > trials)
            throw new ArgumentOutOfRangeException(name, successes, $"successes from 0 to {trials}");
    }

    public static void Table(params ReadOnlySpan<long> counts)
    {
        long sum = 0;
        foreach (var count in counts)
        {
            That(count >= 0, $"a count is negative: {count}");
            sum += count;
        }

        That(sum > 0, "the table is empty");
    }

    public static void SameLength(int first, int second, string what) => That(first == second, $"{what}: lengths differ, {first} and {second}");
}
