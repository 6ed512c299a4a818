using System.Text.RegularExpressions;
using RlHarness.Tracking.Report;

namespace RlHarness.Tracking.Tests.Report;

/// <summary>What a style names it has: a colour that is not defined is drawn as if none were given, without a word.</summary>
[Trait("kind", "contract")]
public sealed partial class ReportStyleTests
{
    [Theory]
    [InlineData(nameof(ReportStyle.Page))]
    [InlineData(nameof(ReportStyle.Figure))]
    public void Every_colour_that_a_style_uses_is_defined_in_it_for_light_and_for_dark(string name)
    {
        var style = name == nameof(ReportStyle.Page) ? ReportStyle.Page : ReportStyle.Figure;
        var dark = style.IndexOf("prefers-color-scheme: dark", StringComparison.Ordinal);
        Assert.True(dark > 0);
        string[] Defined(string css) => [.. Definition().Matches(css).Select(m => m.Groups[1].Value).Distinct()];
        string[] used = [.. Use().Matches(style).Select(m => m.Groups[1].Value).Distinct().Except(["--c"])];
        Assert.NotEmpty(used);
        // --c is a figure's own: each class sets it.
        Assert.Empty(used.Except(Defined(style[..dark])));
        Assert.Empty(used.Except(Defined(style[dark..])));
    }

    [GeneratedRegex(@"(--[\w-]+)\s*:")]
    private static partial Regex Definition();

    [GeneratedRegex(@"var\((--[\w-]+)")]
    private static partial Regex Use();
}
