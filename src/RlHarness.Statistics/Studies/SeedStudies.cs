using RlHarness.Core.Randomness;
using RlHarness.Statistics.Simulation;

namespace RlHarness.Statistics.Studies;

/// <summary>Several seeds: the unit of a claim about training.</summary>
internal static class SeedStudies
{
    public static IEnumerable<SyntheticStudy> All()
    {
        yield return Intervals(5);
        yield return Intervals(20);
        yield return OneSample();
        yield return TwoSamples();
    }

    private static double[] Gaussians(RandomStream random, int n) => [.. Enumerable.Range(0, n).Select(_ => random.NextGaussian())];

    private static SyntheticStudy Intervals(int seeds)
    {
        const int queries = 50;
        var few =
            seeds < 10
                ? "a bootstrap of five seeds knows no more than their spread, which is √(4/5) of the truth, and no t: take the t interval for few seeds"
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
}
