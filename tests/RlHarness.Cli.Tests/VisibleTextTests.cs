using System.Text.Json;
using RlHarness.Cli.Terminal;

namespace RlHarness.Cli.Tests;

/// <summary>What files say never steers the terminal, and inspect takes more than one path.</summary>
[Trait("kind", "contract")]
public sealed class VisibleTextTests
{
    [Theory]
    [InlineData("plain text\n\twith lines\r\n", "plain text\n\twith lines\r\n")]
    [InlineData("a\u001b[2Jb", "a\u241b[2Jb")]
    [InlineData("a\u001b[31mb", "a\u241b[31mb")]
    [InlineData("a\rb\bc\u0000", "a\u240db\u2408c\u2400")]
    [InlineData("a\u202Eb\u2066c\u200Bd\u009Be\u2028f", "a\uFFFDb\uFFFDc\uFFFDd\uFFFDe\uFFFDf")]
    [InlineData("tag \U000E0041 \U0001D54F é", "tag \uFFFD \U0001D54F é")]
    public void Control_and_format_characters_are_signs(string text, string shown) => Assert.Equal(shown, VisibleWriter.Of(text));

    [Fact]
    public void Colours_of_our_own_tables_pass_and_nothing_else() =>
        Assert.Equal("\u001b[1;31mred\u001b[0m\u241b[2J", VisibleWriter.Of("\u001b[1;31mred\u001b[0m\u001b[2J", colours: true));

    [Fact]
    public void An_error_shows_a_name_from_a_file_with_signs()
    {
        using var folder = new TemporaryFolder();
        File.WriteAllText(Path.Combine(folder.Path, "config.json"), "{\"model_type\": \"llama\", \"hidden_act\": \"\\u001b[2J\\u202Eevil\"}");
        var result = Harness.Run(folder.Path, "model", "inspect", folder.Path);
        Assert.DoesNotContain('\u001b', result.Error + result.Output);
        Assert.DoesNotContain('\u202E', result.Error + result.Output);
        Assert.Contains("evil", result.Error + result.Output, StringComparison.Ordinal);
    }

    [Fact]
    public void A_list_of_paths_gives_a_line_of_JSON_for_each()
    {
        using var folder = new TemporaryFolder();
        var faults = Path.Combine(Repository, "tests", "golden", "faults");
        string[] paths = [Path.Combine(faults, "longrope_switch"), Path.Combine(faults, "lora_over_bf16", "adapter"), Path.Combine(folder.Path, "absent")];
        File.WriteAllLines(Path.Combine(folder.Path, "list"), paths);
        var result = Harness.Run(folder.Path, "model", "inspect", "--list", "list");
        var lines = result.Output.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line => JsonDocument.Parse(line).RootElement).ToArray();
        Assert.Equal(3, lines.Length);
        Assert.Equal("phi3", lines[0].GetProperty("family").GetString());
        Assert.Equal("adapter", lines[1].GetProperty("format").GetString());
        Assert.Equal(4, lines[1].GetProperty("adapter").GetProperty("rank").GetInt32());
        Assert.Contains("absent", lines[2].GetProperty("error").GetString(), StringComparison.Ordinal);
        Assert.Equal(3, result.ExitCode);
    }

    private static string Repository
    {
        get
        {
            var at = AppContext.BaseDirectory;
            while (!File.Exists(Path.Combine(at, "RlHarness.sln")))
                at = Path.GetDirectoryName(at)!;
            return at;
        }
    }
}
