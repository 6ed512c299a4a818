using System.Text.RegularExpressions;
using RlHarness.Core.Errors;
using RlHarness.Core.Settings;
using RlHarness.Recipes.Experiments;
using RlHarness.Recipes.Settings;

namespace RlHarness.Recipes.Tests.Settings;

/// <summary>What people read of settings: the page, and the examples in documents, help and messages.</summary>
[Trait("kind", "contract")]
public sealed partial class SettingsPageTests
{
    internal static string Root => Repository.Root;

    /// <summary>Rows of the page: key, default, allowed, meaning.</summary>
    internal static IReadOnlyList<string[]> Rows { get; } =
    [
        .. SettingsDocument
            .Markdown(new RunSettings())
            .Split('\n')
            .Where(l => l.StartsWith("| `", StringComparison.Ordinal))
            .Select(l => l.Replace("\\|", "¦", StringComparison.Ordinal).Split('|').Skip(1).Take(4).Select(c => c.Trim().Trim('`')).ToArray()),
    ];

    [Fact]
    public void Every_setting_has_a_meaning_of_whole_sentences()
    {
        Assert.InRange(Rows.Count, 190, 400);
        Assert.All(Rows, r => Assert.True(r[3].Length > 3 && r[3].EndsWith('.'), $"{r[0]}: \"{r[3]}\""));
        var design = SettingsDocument.Markdown(new FactorialSettings());
        Assert.DoesNotContain("|  |\n", design, StringComparison.Ordinal);
    }

    [Fact]
    public void Every_setting_that_a_meaning_names_exists()
    {
        var keys = Rows.Select(r => r[0].Replace("[]", "", StringComparison.Ordinal)).ToHashSet(StringComparer.Ordinal);
        foreach (var row in Rows)
            foreach (Match named in DottedKey().Matches(row[3]))
                Assert.True(keys.Contains(named.Value), $"{row[0]} names {named.Value}, which is no setting");
    }

    [Fact]
    public void Every_example_of_a_setting_in_documents_help_and_messages_binds()
    {
        var files = Directory
            .EnumerateFiles(Path.Combine(Root, "docs"), "*.md")
            .Concat(Directory.EnumerateFiles(Path.Combine(Root, "configs"), "*.yaml"))
            .Concat(
                Directory
                    .EnumerateFiles(Path.Combine(Root, "src"), "*.cs", SearchOption.AllDirectories)
                    .Where(f => !f.Split(Path.DirectorySeparatorChar).Any(part => part is "obj" or "bin"))
            )
            .Append(Path.Combine(Root, "README.md"));
        var found = 0;
        var wrong = new List<string>();
        foreach (var file in files)
            foreach (var (line, number) in File.ReadLines(file).Select((l, i) => (l, i + 1)))
                foreach (Match example in Example().Matches(line))
                {
                    var (key, value) = (example.Groups["key"].Value, example.Groups["value"].Value.TrimEnd('.', ',', ':', ';', '\\'));
                    // Bare words such as name= are settings on a command line, and HTML in the pages that the program writes.
                    if (!key.Contains('.') && (file.Contains("Report", StringComparison.Ordinal) || file.Contains("Labelling", StringComparison.Ordinal)))
                        continue;
                    found++;
                    if (Binds(key, value) is { } problem)
                        wrong.Add($"{Path.GetRelativePath(Root, file)}:{number}: {key}={value}: {problem}");
                }

        Assert.True(wrong.Count == 0, string.Join('\n', wrong));
        Assert.True(found > 60, $"only {found} examples were found");
    }

    [Theory]
    [InlineData("rl.learning_rate", "1e-5", "unknown key")]
    [InlineData("rl.steps", "many", "expected a whole number")]
    [InlineData("rl.kl_target", "0", "allowed: above 0")]
    public void An_example_that_does_not_bind_is_found(string key, string value, string problem) =>
        Assert.Contains(problem, Binds(key, value), StringComparison.Ordinal);

    /// <summary>Null where the program takes it; of a value that stands for others (…, {n}, CAPITALS) the key alone is tried.</summary>
    private static string? Binds(string key, string value)
    {
        var placeholder = value.Length == 0 || value.Any(c => c is '…' or '{') || value.All(char.IsAsciiLetterUpper);
        try
        {
            SettingsReader.Parse<RunSettings>("example", "", [$"{key}={(placeholder ? "null" : value)}"]);
            return null;
        }
        catch (HarnessException e) when (placeholder && !e.Message.Contains("unknown key", StringComparison.Ordinal))
        {
            return null;
        }
        catch (HarnessException e)
        {
            return e.Message;
        }
    }

    private const string Records = "model|experiment|corpus|documents|imitate|reward|rl|evaluate";

    [GeneratedRegex($@"\b(?:{Records})(?:\.[a-z_0-9]+)+\b(?!\.)")]
    private static partial Regex DottedKey();

    /// <summary>key=value anywhere, and `key: value` between back quotes for keys with a dot.</summary>
    [GeneratedRegex(
        $@"(?<![\w./\-$@<])(?:(?<key>(?:{Records})(?:\.[a-z_0-9]+)+|seed|device|threads|cache|stages|output|name)=(?<value>\[[^\]]*\]|[^\s`'""\\)\]<>]*)"
            + $@"|(?<=`)(?<key>(?:{Records})(?:\.[a-z_0-9]+)+): (?<value>[^`]+)(?=`))"
    )]
    private static partial Regex Example();
}
