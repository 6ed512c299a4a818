using RlHarness.Recipes.Experiments;

namespace RlHarness.Recipes.Tests.Interventions;

[Trait("kind", "arithmetic")]
public sealed class SeedIntervalTests
{
    /// <summary>
    /// By hand, t at 97.5 % with 2 degrees of freedom 4.302653: 99, 80 and 100 % have the mean 93 %, a standard deviation of 11.2694 points and a half-width
    /// of 27.995: 65.0 to 120.995 %, of which a rate can have 65.0 to 100. Differences of −99, −80 and −100 points: −120.995 to −65.0, cut at −100. The gap,
    /// 27, 26.5 and 28.5 points, has the half-width 4.302653 × 1.0408 / √3 = 2.586, and a difference may be as wide as 200 points.
    /// </summary>
    [Fact]
    public void Intervals_over_seeds_stay_within_what_a_figure_can_be()
    {
        double[] af = [0.99, 0.80, 1.00],
            gap = [0.27, 0.265, 0.285];
        InterventionRun[] runs =
        [
            .. Enumerable.Range(0, 3).Select(i => Run("base", i, af[i], gap[i], 5 + i)),
            .. Enumerable.Range(0, 3).Select(i => Run("none", i, 0, -0.9, 5)),
        ];
        var analysis = InterventionAnalysis.Of("x", [new() { Name = "base" }, new() { Name = "none" }], [0, 1, 2], runs);

        Equal(0.93, 0.65005, 1, analysis.Figure("base", "af_training")!);
        Equal(0.27333, 0.24748, 0.29919, analysis.Figure("base", "gap")!);
        var none = analysis.Figure("none", "af_training")!;
        Assert.Equal((-0.93, -1, -0.65005), (Round(none.Difference), Round(none.DifferenceLow), Round(none.DifferenceHigh)));
        Assert.Equal(-1.14748, Round(analysis.Figure("none", "gap")!.DifferenceHigh));
        // A reward has no bounds: 6 ± 2.484.
        Equal(6, 3.51586, 8.48414, analysis.Figure("base", "reward")!);
    }

    private static InterventionRun Run(string arm, int seed, double af, double gap, double reward) =>
        new(
            arm,
            seed,
            $"{arm}-{seed}",
            new Dictionary<string, double>(StringComparer.Ordinal)
            {
                ["af_training"] = af,
                ["gap"] = gap,
                ["reward"] = reward,
            }
        );

    private static void Equal(double mean, double low, double high, InterventionFigure f) =>
        Assert.Equal((mean, low, high), (Round(f.Mean), Round(f.Low), Round(f.High)));

    private static double Round(double x) => Math.Round(x, 5);
}
