using RlHarness.Tools.Commands;

namespace RlHarness.Tools.Tests;

[Trait("kind", "contract")]
public class SettingsPageTests
{
    [Fact]
    public void The_page_of_settings_is_what_the_tool_writes() =>
        Assert.True(
            File.ReadAllText(Path.Combine(Root, "docs", "settings.md")).ReplaceLineEndings("\n") == SettingsPageCommand.Page.ReplaceLineEndings("\n"),
            "docs/settings.md is not up to date: dotnet run --project tools/RlHarness.Tools -- settings-page > docs/settings.md"
        );

    private static string Root { get; } = FindRoot();

    private static string FindRoot()
    {
        for (var at = new DirectoryInfo(AppContext.BaseDirectory); at is not null; at = at.Parent)
        {
            if (File.Exists(Path.Combine(at.FullName, "RlHarness.sln")))
                return at.FullName;
        }

        throw new InvalidOperationException("RlHarness.sln is in no folder above the tests");
    }
}
