using RlHarness.Core.Errors;
using RlHarness.Models.Verification;
using RlHarness.Tests;
using RlHarness.Tools.Fidelity;
using TorchSharp;

namespace RlHarness.Tools.Tests;

[Trait("kind", "contract")]
public sealed class FidelityPageTests
{
    private static FidelityReport Report(double error, int equal) =>
        new(
            [
                new FidelityRow(
                    "models",
                    "llama",
                    "one",
                    [
                        new FidelityCheck("logits (right.logits)", error, 1e-4, "absolute", 5),
                        new FidelityCheck("greedy tokens (left.greedy)", 0, 0, "tokens", 96),
                    ]
                ),
            ],
            [new ExactCount("tokenizers", "smollm", equal, 10)],
            ["family other: it has no golden case"]
        );

    [Fact]
    public void What_is_within_its_tolerance_is_plain()
    {
        var page = FidelityPage.Markdown(Report(2e-5, 10));
        Assert.Contains("| llama | one | 2.0e-5 | 0 of 96 differ |", page, StringComparison.Ordinal);
        Assert.Contains("| smollm | 10 of 10 |", page, StringComparison.Ordinal);
        Assert.Contains("- family other: it has no golden case", page, StringComparison.Ordinal);
        Assert.DoesNotContain("**", page, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(2e-3, 10, "**2.0e-3**")]
    [InlineData(double.NaN, 10, "**NaN**")]
    [InlineData(2e-5, 9, "**9 of 10**")]
    public void What_is_beyond_it_is_bold_and_said_at_the_top(double error, int equal, string bold)
    {
        var page = FidelityPage.Markdown(Report(error, equal));
        Assert.Contains(bold, page, StringComparison.Ordinal);
        Assert.Contains("**Something is beyond its tolerance**", page, StringComparison.Ordinal);
    }

    [Fact]
    public void Nothing_compared_is_no_pass() => Assert.False(new FidelityReport([], [], []).Passed);

    [Fact]
    public void A_folder_without_golden_values_is_an_error() =>
        Assert.Equal(ErrorKind.BadFile, Assert.Throws<HarnessException>(() => GoldenSuite.Run(Path.GetTempPath() + "/none", null, torch.CPU, _ => { })).Kind);

    [Fact]
    public void The_committed_page_names_every_golden_model()
    {
        var page = File.ReadAllText(Repository.At("docs", "fidelity.md"));
        Assert.All(Golden.Names("models"), name => Assert.Contains(name, page, StringComparison.Ordinal));
        Assert.DoesNotContain("**", page, StringComparison.Ordinal);
    }
}
