using RlHarness.Tools.Commands;

namespace RlHarness.Tools.Tests;

[Trait("kind", "contract")]
public class SettingsPageTests
{
    [Fact]
    public void The_page_of_settings_is_what_the_tool_writes() =>
        Assert.True(
            File.ReadAllText(Repository.At("docs", "settings.md")).ReplaceLineEndings("\n") == SettingsPageCommand.Page.ReplaceLineEndings("\n"),
            "docs/settings.md is not up to date: dotnet run --project tools/RlHarness.Tools -- settings-page > docs/settings.md"
        );
}
