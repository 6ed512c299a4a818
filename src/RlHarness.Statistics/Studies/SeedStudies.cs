using RlHarness.Core.Randomness;
using RlHarness.Statistics.Simulation;

namespace RlHarness.Statistics.Studies;

/// <summary>Several seeds: the unit of a claim about training.</summary>
internal static class SeedStudies
{
    public static IEnumerable<SyntheticStudy> All()
    {
        yield return Intervals(3);
        yield return Intervals(5);
        yield return Intervals(20);
        yield return OneSample();
        yield return TwoSamples();
        yield return Differences();
        yield return Line();
        yield return LineNull();
    }

    private static double[] Gaussians(RandomStream random, int n) => [.. Enumerable.Range(0, n).Select(_ => random.NextGaussian())];

    private static SyntheticStudy Intervals(int seeds)
    {
        const int queries = 50;
        var few =
            seeds < 10
                ? $"a bootstrap of {seeds} seeds knows no more than their spread, √({seeds - 1}/{seeds}) of the truth, and no t: take the t interval"
                : "a percentile interval has no t: short by a factor of about √(19/20) and 1.96/2.09";
        return new(
            $"seeds/{seeds}",
            $"{seeds} seeds of {queries} queries, seeds vary by 8 points around 40 %",
            [
                Measure.Coverage("mean of seeds: t interval"),
                Measure.Coverage("mean of seeds: bootstrap of seeds", few),
                Measure.Coverage(
                    "mean of seeds: hierarchical bootstrap",
                    seeds < 10
                        ? "as above; drawing queries too adds a little width"
                        : "draws the noise of queries a second time, which the spread of seeds already holds"
                ),
            ],
            random =>
            {
                var values = new List<IReadOnlyList<double>>(seeds);
                for (var s = 0; s < seeds; s++)
                {
                    var rate = Math.Clamp(0.4 + (0.08 * random.NextGaussian()), 0, 1);
                    values.Add([.. Enumerable.Range(0, queries).Select(_ => random.NextBool(rate) ? 1.0 : 0)]);
                }

                var t = SeedMean.Of([.. values.Select(v => v.Average())]).TInterval();
                return
                [
                    Draws.Covers(t, 0.4),
                    Draws.Covers(SeedsBootstrap.OverSeeds(values, random, resamples: PairedStudies.Resamples).Percentile, 0.4),
                    Draws.Covers(SeedsBootstrap.Hierarchical(values, random, resamples: 400).Percentile, 0.4),
                ];
            }
        );
    }

    private static SyntheticStudy OneSample() =>
        new(
            "seeds/null/one",
            "8 seeds, normal differences, none in truth",
            [
                Measure.Size("seeds: t test"),
                Measure.Size("seeds: sign flips, exact", "exact: 12 of 256 patterns are the most that stay within 5 %", 12 / 256.0),
                Measure.Size("sign flips with 5 seeds", "32 patterns: the smallest two-sided p is 0.0625, so five seeds can never reject", 0),
            ],
            random =>
            {
                var x = Gaussians(random, 8);
                var of = SeedMean.Of(x);
                return [Draws.Rejects(of.P), Draws.Rejects(of.SignFlipP), Draws.Rejects(SeedMean.Of(x[..5]).SignFlipP)];
            }
        );

    private static SyntheticStudy TwoSamples() =>
        new(
            "seeds/null/two",
            "two conditions of 5 seeds each, normal, alike",
            [
                Measure.Size("two conditions: Welch's t", "with few seeds its degrees of freedom are estimated: slightly cautious"),
                Measure.Size("two conditions: pooled t"),
                Measure.Size("two conditions: paired t"),
                Measure.Size("two conditions: permutation, exact", "exact: 12 of 252 regroupings are the most that stay within 5 %", 12 / 252.0),
            ],
            random =>
            {
                var t = SeedsTwoSamples.Compare(Gaussians(random, 5), Gaussians(random, 5));
                return [Draws.Rejects(t.Welch.P), Draws.Rejects(t.Pooled.P), Draws.Rejects(t.Paired.P), Draws.Rejects(t.PermutationP)];
            }
        );

    /// <summary>An intervention's difference from the baseline of the same seed, as comparisons print it; seeds differ more than arms do.</summary>
    private static SyntheticStudy Differences() =>
        new(
            "seeds/differences",
            "3 seeds, an intervention 20 points above the baseline of its seed; seeds vary by 15 points, differences by 8",
            [Measure.Coverage("difference from the baseline of the same seed: t interval (used)")],
            random =>
            {
                var seeds = Gaussians(random, 3).Select(s => 0.4 + (0.15 * s)).ToArray();
                var arms = seeds.Select(s => s + 0.2 + (0.08 * random.NextGaussian())).ToArray();
                return [Draws.Covers(SeedMean.Of([.. arms.Zip(seeds, (a, b) => a - b)]).TInterval(), 0.2)];
            }
        );

    /// <summary>Three sizes with three seeds each, as a sweep has them.</summary>
    private static readonly double[] Sizes = [5.5, 5.5, 5.5, 6, 6, 6, 6.5, 6.5, 6.5];

    private static SyntheticStudy Line() =>
        new(
            "line",
            "3 sizes half a power of ten apart, 3 seeds each, 25 points for each tenfold, seeds vary by 10 points",
            [Measure.Coverage("trend with size: least squares, t interval of the slope (used)")],
            random => [Draws.Covers(Trend(random, 0.25).Interval, 0.25)]
        );

    private static SyntheticStudy LineNull() =>
        new(
            "line/null",
            "3 sizes half a power of ten apart, 3 seeds each, no trend, seeds vary by 10 points",
            [Measure.Size("trend with size: least squares, t test of the slope (used)")],
            random => [Draws.Rejects(Trend(random, 0).P)]
        );

    private static LeastSquaresLine Trend(RandomStream random, double slope) =>
        LeastSquaresLine.Of(Sizes, [.. Sizes.Select(x => 0.4 + (slope * (x - 6)) + (0.1 * random.NextGaussian()))]);
}
