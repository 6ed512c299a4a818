namespace RlHarness.Formats.Tests.Tokenizers;

/// <summary>Counts what differs over many cases of one file and shows the first few, so that one run says how far off an implementation is.</summary>
internal sealed class Failures(ITestOutputHelper output)
{
    private int _checked;
    private int _failed;

    public void Check<T>(string name, IEnumerable<T> expected, IEnumerable<T> actual) =>
        Record(name, expected.SequenceEqual(actual), () => (string.Join(' ', expected), string.Join(' ', actual)));

    public void Check(string name, string? expected, string? actual) =>
        Record(name, string.Equals(expected, actual, StringComparison.Ordinal), () => (Show(expected), Show(actual)));

    public void Check(string name, bool expected, bool actual) => Record(name, expected == actual, () => ($"{expected}", $"{actual}"));

    public void AssertNone()
    {
        output.WriteLine($"{_checked} checks, {_failed} differ");
        Assert.True(_checked > 0, "nothing was compared");
        Assert.True(_failed == 0, $"{_failed} of {_checked} differ");
    }

    private static string Show(string? text) => text is null ? "null" : System.Text.Json.JsonSerializer.Serialize(text);

    private void Record(string name, bool equal, Func<(string Expected, string Actual)> show)
    {
        _checked++;
        if (equal)
            return;
        if (++_failed > 8)
            return;
        var (expected, actual) = show();
        output.WriteLine($"{Show(name)}\n  expected {expected}\n  actual   {actual}");
    }
}
