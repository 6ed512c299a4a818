using System.Text.RegularExpressions;
using RlHarness.Statistics;
using RlHarness.Tracking.Report;

namespace RlHarness.Tracking.Tests.Report;

[Trait("kind", "contract")]
public sealed class VariantPicturesTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void The_mean_over_seeds_has_a_t_interval_and_seeds_as_its_unit()
    {
        // 0.1, 0.2, 0.3: sd 0.1, standard error 0.057735, t(0.975; 2) = 4.302653: ± 0.248414, and a rate is not below 0.
        var mean = Variant.Mean([new(0.1, 0, 1, 200, 200), new(0.2, 0, 1, 200, 200), new(0.3, 0, 1, 200, 200)], least: 0)!.Value;
        Assert.Equal(0.2, mean.Value, 1e-12);
        Assert.Equal((0, 3), (mean.Low, mean.N));
        Assert.Equal(0.448414, mean.High, 1e-6);
        Assert.Equal(-0.048414, Variant.Mean([new(0.1, 0, 1, 9, 9), new(0.2, 0, 1, 9, 9), new(0.3, 0, 1, 9, 9)], least: -1)!.Value.Low, 1e-6);
        Assert.Equal(new Estimate(0.1, 0.05, 0.2, 200, 100), Variant.Mean([new(0.1, 0.05, 0.2, 200, 100)], least: 0));
    }

    [Theory]
    [InlineData(0, "A")]
    [InlineData(25, "Z")]
    [InlineData(26, "AA")]
    [InlineData(53, "BB")]
    public void Variants_have_letters(int number, string expected) => Assert.Equal(expected, VariantPictures.Letter(number));

    [Fact]
    public void Seeds_of_variants_are_drawn_and_link_into_their_runs_reports()
    {
        foreach (var run in new[] { "a-seed1", "a-seed2", "b-seed1" })
        {
            Directory.CreateDirectory(_folder.At(run));
            SyntheticRun.Write(_folder.At(run), steps: 4, every: 4, queries: 20);
        }

        var html = VariantPictures.Html([new("a", 1, _folder.At("a-seed1")), new("a", 2, _folder.At("a-seed2")), new("b", 1, _folder.At("b-seed1"))]);
        // One scatter, three of bars, one of outcomes, one of refusal, and three lines for each of two variants.
        Assert.Equal(12, Regex.Count(html, "<svg "));
        foreach (var words in new[] { "AF rate against compliance gap", "A a; B b", "Refusal by tier, one dot a seed", "Scratchpad length" })
            Assert.Contains(words, html, StringComparison.Ordinal);
        // What it points to is there.
        var page = File.ReadAllText(ReportBuilder.Write(_folder.At("a-seed1")));
        var targets = Regex.Matches(html, "href=\"a-seed1/report.html#([^\"]+)\"").Select(m => m.Groups[1].Value).Distinct().ToArray();
        Assert.Contains("t-4-training-af-reasoning_rate", targets);
        Assert.Contains("id=\"t-4-training-af-reasoning_rate\"", page, StringComparison.Ordinal);
        Assert.Equal("", VariantPictures.Html([]));
    }
}
