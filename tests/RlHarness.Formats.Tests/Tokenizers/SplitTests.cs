using System.Text.Json;
using RlHarness.Formats.Tokenizers;
using RlHarness.Tests;

namespace RlHarness.Formats.Tests.Tokenizers;

[Trait("kind", "arithmetic")]
public sealed class SplitTests(ITestOutputHelper output)
{
    [Theory]
    [InlineData("gpt2", false)]
    [InlineData("gpt2", true)]
    [InlineData("cl100k", false)]
    [InlineData("cl100k", true)]
    [InlineData("qwen2", false)]
    [InlineData("qwen2", true)]
    [InlineData("smollm", false)]
    [InlineData("smollm", true)]
    [InlineData("tekken", true)]
    public void Patterns_cut_where_Oniguruma_cuts(string name, bool general)
    {
        using var json = JsonDocument.Parse(File.ReadAllBytes(Golden.Require("tokenizers", "splits.json")));
        var set = json.RootElement.GetProperty(name);
        var steps = new List<PreTokenizer>();
        foreach (var step in set.GetProperty("steps").EnumerateArray())
        {
            Pattern pattern =
                !step.TryGetProperty("Regex", out var regex) ? new DigitPattern()
                : general ? CodePointRegex.Parse(regex.GetString()!)
                : KnownPattern.For(regex.GetString()!)!;
            steps.Add(new SplitPreTokenizer(pattern, SplitBehavior.Isolated, invert: false));
        }

        var failures = new Failures(output);
        foreach (var row in set.GetProperty("cases").EnumerateArray())
        {
            var text = row.GetProperty("text").GetString()!;
            var pieces = new List<Piece> { new(new AlignedText(text), 0, text.Length, true) };
            foreach (var step in steps)
            {
                var next = new List<Piece>();
                foreach (var piece in pieces)
                    step.Apply(piece, false, next);
                pieces = next;
            }

            failures.Check(text, row.GetProperty("pieces").EnumerateArray().Select(piece => piece.GetString()!), pieces.Select(piece => piece.Span.ToString()));
        }

        failures.AssertNone();
    }

    [Fact]
    public void Unicode_classes_are_those_of_the_pattern_engine()
    {
        using var json = JsonDocument.Parse(File.ReadAllBytes(Golden.Require("tokenizers", "unicode_classes.json")));
        foreach (var property in json.RootElement.EnumerateObject())
        {
            Func<int, bool> contains = property.Name == "s" ? CharacterClasses.IsSpace : CodePointSet.Property(property.Name)!;
            var expected = new bool[0x110000];
            foreach (var range in property.Value.EnumerateArray())
                Array.Fill(expected, true, range[0].GetInt32(), range[1].GetInt32() - range[0].GetInt32() + 1);
            var differing = Enumerable
                .Range(0, 0x110000)
                .Where(c => c is < 0xD800 or > 0xDFFF && contains(c) != expected[c])
                .Select(c => c.ToString("X"))
                .Take(10)
                .ToArray();
            Assert.True(differing.Length == 0, $"{property.Name}: {string.Join(' ', differing)}");
        }
    }

    [Theory]
    [InlineData("(ab|c)+?d", "abcabd!", "abcabd")]
    [InlineData("(?:ab){2,3}", "xabababab", "ababab")]
    [InlineData("a++b|a", "aaac", "a a a")]
    [InlineData("(?<=b)c|(?<!b)d", "bcdbd", "c d")]
    [InlineData("[^a-c[xy]&&[a-z]]", "axqz", "q z")]
    [InlineData("(?i)straSSe", "STRAsse", "STRAsse")]
    [InlineData(@"\x{1F600}|\u0041|\p{^L}", "bA\U0001F6001", "A \U0001F600 1")]
    [InlineData("^a|b$", "aa\nab", "a a b")]
    [InlineData("(?>a*)ab|b", "aab", "b")]
    [InlineData("(?<=(xy)|(zz))b", "xybzzbyb", "b b")]
    [InlineData("(?:(ab)c?)+", "ababc-ab", "ababc ab")]
    public void The_general_matcher_knows_its_constructs(string pattern, string text, string expected) =>
        Assert.Equal(expected, string.Join(' ', CodePointRegex.Parse(pattern).Matches(text).Select(match => text[match.Start..match.End])));

    [Theory]
    [InlineData("(a")]
    [InlineData("a)")]
    [InlineData("[a")]
    [InlineData("*a")]
    [InlineData("(?P<n>a)")]
    [InlineData(@"\p{Klingon}")]
    [InlineData(@"\1")]
    [InlineData("(a*)*")]
    [InlineData("(?<=a*)b")]
    public void Constructs_that_are_not_supported_are_refused(string pattern) => Assert.Throws<FormatException>(() => CodePointRegex.Parse(pattern));
}
