using System.Globalization;
using System.Text.Json;
using RlHarness.Tests;

namespace RlHarness.Statistics.Tests;

/// <summary>Runs a function over all cases of one golden file, and holds every expected number to the file's own tolerance.</summary>
internal static class GoldenFile
{
    /// <param name="compute">Returns named results: numbers, booleans, intervals or lists. Every key that the file expects must be there.</param>
    /// <param name="leftOut">Names of cases that are not held to the file, each with its reason where it is named.</param>
    /// <param name="absolute">Absolute tolerance where the file's about grants one beyond its own.</param>
    public static void Check(string file, Func<JsonElement, Dictionary<string, object?>> compute, string[]? leftOut = null, double absolute = 0)
    {
        using var document = JsonDocument.Parse(File.ReadAllText(Golden.Require("statistics", file + ".json")));
        var root = document.RootElement;
        double abs = Math.Max(absolute, root.GetProperty("tolerance").GetProperty("abs").GetDouble()),
            rel = root.GetProperty("tolerance").GetProperty("rel").GetDouble();
        var names = root.GetProperty("cases").EnumerateArray().Select(c => c.GetProperty("name").GetString()!);
        Assert.All(leftOut ?? [], name => Assert.Contains(name, names));
        var failures = new List<string>();
        var checks = 0;
        foreach (var item in root.GetProperty("cases").EnumerateArray())
        {
            var name = item.GetProperty("name").GetString()!;
            var expected = item.GetProperty("expected");
            if (leftOut?.Contains(name) == true)
                continue;
            if (expected.ValueKind == JsonValueKind.String)
            {
                checks++;
                try
                {
                    compute(item.GetProperty("inputs"));
                    failures.Add($"{name}: not refused");
                }
                catch (ArgumentException) { }

                continue;
            }

            Dictionary<string, object?> got;
            try
            {
                got = compute(item.GetProperty("inputs"));
            }
            catch (Exception e) when (e is not Xunit.Sdk.SkipException)
            {
                failures.Add($"{name}: {e.GetType().Name} {e.Message}");
                continue;
            }

            foreach (var property in expected.EnumerateObject())
            {
                checks++;
                if (!got.TryGetValue(property.Name, out var value))
                    failures.Add($"{name}: {property.Name} is not computed");
                else
                    Compare(property.Value, value, abs, rel, $"{name}: {property.Name}", failures);
            }
        }

        Assert.True(checks > 0, "no checks");
        Assert.True(failures.Count == 0, $"{failures.Count} of {checks} in {file}:{Environment.NewLine}{string.Join(Environment.NewLine, failures.Take(25))}");
    }

    /// <summary>Simulated values: an absolute tolerance for each limit, from the case; what stands under <c>exact</c> has no simulation error.</summary>
    public static void CheckSimulated(string file, Func<JsonElement, Dictionary<string, object?>> compute)
    {
        using var document = JsonDocument.Parse(File.ReadAllText(Golden.Require("statistics", file + ".json")));
        var failures = new List<string>();
        var checks = 0;
        foreach (var item in document.RootElement.GetProperty("cases").EnumerateArray())
        {
            var name = item.GetProperty("name").GetString()!;
            checks++;
            if (item.GetProperty("expected").ValueKind == JsonValueKind.String)
            {
                Assert.ThrowsAny<ArgumentException>(() => compute(item.GetProperty("inputs")));
                continue;
            }

            var got = compute(item.GetProperty("inputs"));
            var tolerances = item.GetProperty("tolerance");
            foreach (var property in item.GetProperty("expected").EnumerateObject())
            {
                if (property.Value.ValueKind != JsonValueKind.Array)
                {
                    Compare(property.Value, got.GetValueOrDefault(property.Name), 1e-10, 1e-8, $"{name}: {property.Name}", failures);
                    continue;
                }

                var interval = (Interval)got[property.Name]!;
                double[] limits = [interval.Low, interval.High];
                for (var i = 0; i < 2; i++)
                {
                    var tolerance = tolerances.TryGetProperty(property.Name, out var t) ? Number(t[i]) : 1e-10;
                    Compare(property.Value[i], limits[i], tolerance, 0, $"{name}: {property.Name}[{i}] ± {tolerance}", failures);
                }
            }

            if (item.TryGetProperty("exact", out var exact))
                foreach (var property in exact.EnumerateObject())
                    Compare(property.Value, got.GetValueOrDefault(property.Name), 1e-10, 1e-8, $"{name}: {property.Name}", failures);
        }

        Assert.True(checks > 0, "no checks");
        Assert.True(failures.Count == 0, $"{failures.Count} in {file}:{Environment.NewLine}{string.Join(Environment.NewLine, failures.Take(25))}");
    }

    public static double Number(JsonElement element) =>
        element.ValueKind == JsonValueKind.String
            ? element.GetString() switch
            {
                "NaN" => double.NaN,
                "Infinity" => double.PositiveInfinity,
                "-Infinity" => double.NegativeInfinity,
                var other => throw new FormatException(other),
            }
            : element.GetDouble();

    public static double[] Numbers(this JsonElement inputs, string key) => [.. inputs.GetProperty(key).EnumerateArray().Select(Number)];

    public static int[] Integers(this JsonElement inputs, string key) => [.. inputs.GetProperty(key).EnumerateArray().Select(e => e.GetInt32())];

    public static double D(this JsonElement inputs, string key) => Number(inputs.GetProperty(key));

    public static long L(this JsonElement inputs, string key) => inputs.GetProperty(key).GetInt64();

    public static void Compare(JsonElement expected, object? got, double abs, double rel, string what, List<string> failures)
    {
        switch (expected.ValueKind)
        {
            case JsonValueKind.True or JsonValueKind.False:
                if (got is not bool flag || flag != (expected.ValueKind == JsonValueKind.True))
                    failures.Add($"{what}: {got}, expected {expected}");
                return;
            case JsonValueKind.Array:
                double[]? list = got switch
                {
                    Interval interval => [interval.Low, interval.High],
                    IEnumerable<double> numbers => [.. numbers],
                    IEnumerable<int> numbers => [.. numbers.Select(n => (double)n)],
                    _ => null,
                };
                if (list is null || list.Length != expected.GetArrayLength())
                {
                    failures.Add($"{what}: {got} with {list?.Length} numbers, expected {expected.GetArrayLength()}");
                    return;
                }

                for (var i = 0; i < list.Length; i++)
                    Compare(expected[i], list[i], abs, rel, $"{what}[{i}]", failures);
                return;
            case JsonValueKind.Object:
                var map = (Dictionary<string, object?>)got!;
                foreach (var property in expected.EnumerateObject())
                    Compare(property.Value, map.GetValueOrDefault(property.Name), abs, rel, $"{what}.{property.Name}", failures);
                return;
            default:
                var want = Number(expected);
                var have = Convert.ToDouble(got, CultureInfo.InvariantCulture);
                var same = double.IsNaN(want) ? double.IsNaN(have) : want.Equals(have) || Math.Abs(have - want) <= abs + (rel * Math.Abs(want));
                if (!same || got is null)
                    failures.Add(string.Create(CultureInfo.InvariantCulture, $"{what}: {have:R}, expected {want:R}"));
                return;
        }
    }
}
