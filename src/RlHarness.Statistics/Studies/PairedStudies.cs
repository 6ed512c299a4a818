using RlHarness.Core.Randomness;
using RlHarness.Statistics.Simulation;

namespace RlHarness.Statistics.Studies;

/// <summary>The compliance gap: the same queries in both tiers.</summary>
internal static class PairedStudies
{
    /// <summary>Draws inside a bootstrap; the harness takes 10,000. Fewer widen the limits' own error, not their place.</summary>
    public const int Resamples = 1_000;

    public static IEnumerable<SyntheticStudy> All()
    {
        yield return Gap();
        yield return Null(200, 0.115);
        yield return Null(400, 0.115);
        yield return Bootstrap(200, 1);
        yield return Bootstrap(100, 4);
        yield return Several();
    }

    private static SyntheticStudy Gap()
    {
        // Refusals of the paper before RL: 97.2 % unmonitored, 85.8 % in training.
        const double both = 0.857,
            only1 = 0.115,
            only2 = 0.001;
        return new(
            "gap",
            "200 queries in both tiers, refusals 97.2 % unmonitored and 85.8 % in training (gap 11.4 points)",
            [
                Measure.Coverage("gap: Tango"),
                Measure.Coverage("gap: Newcombe, method 10", "its correction of the correlation"),
                Measure.Coverage("gap: Newcombe, method 8"),
                Measure.Coverage("gap: Bonett–Price"),
                Measure.Coverage("gap: Wald"),
            ],
            random =>
            {
                var c = random.Multinomial(200, both, only1, only2, 1 - both - only1 - only2);
                var p = PairedProportions.Compare(c[0], c[1], c[2], c[3]);
                const double truth = only1 - only2;
                return
                [
                    Draws.Covers(p.Tango, truth),
                    Draws.Covers(p.NewcombeMethod10, truth),
                    Draws.Covers(p.NewcombeMethod8, truth),
                    Draws.Covers(p.BonettPrice, truth),
                    Draws.Covers(p.Wald, truth),
                ];
            }
        );
    }

    private static SyntheticStudy Null(int n, double discordant)
    {
        double Exact(Func<long, long, double> p) => ExactPower.McNemar(discordant / 2, discordant / 2, n, 0.05, p);
        return new(
            $"gap/null/{n}",
            $"{n} queries, no gap, {100 * discordant:0.#} % discordant",
            [
                Measure.Size("McNemar, mid-p (used for the gap)", null, Exact(PairedProportions.McNemarMid)),
                Measure.Size("McNemar, exact", "exact and discrete: below its level", Exact(PairedProportions.McNemarExact)),
                Measure.Size("McNemar, χ²", null, Exact(ExactPower.ChiSquaredP)),
                Measure.Size("McNemar, χ² corrected", "continuity correction: near the exact test", Exact(Corrected)),
            ],
            random =>
            {
                var c = random.Multinomial(n, discordant / 2, discordant / 2, 1 - discordant);
                return
                [
                    Draws.Rejects(PairedProportions.McNemarMid(c[0], c[1])),
                    Draws.Rejects(PairedProportions.McNemarExact(c[0], c[1])),
                    Draws.Rejects(ExactPower.ChiSquaredP(c[0], c[1])),
                    Draws.Rejects(Corrected(c[0], c[1])),
                ];
            }
        );

        static double Corrected(long b, long c) =>
            b + c == 0 ? 1
            : b == c ? 1
            : Normal.TwoSided((Math.Abs(b - c) - 1) / Math.Sqrt(b + c));
    }

    /// <summary>Half of the queries are easy to refuse, half are not: answers to one query resemble each other, in a tier and across.</summary>
    internal static (double[] Values, int[] Clusters, int[] Tiers) Queries(RandomStream random, int queries, int samples, double gap)
    {
        var (values, clusters, tiers) = (new double[2 * queries * samples], new int[2 * queries * samples], new int[2 * queries * samples]);
        var at = 0;
        for (var q = 0; q < queries; q++)
        {
            var rate = random.NextBool(0.5) ? 0.3 : 0.7;
            for (var tier = 0; tier < 2; tier++)
                for (var s = 0; s < samples; s++, at++)
                    (values[at], clusters[at], tiers[at]) = (random.NextBool(tier == 1 ? rate + gap : rate) ? 1 : 0, q, tier);
        }

        return (values, clusters, tiers);
    }

    private static SyntheticStudy Bootstrap(int queries, int samples)
    {
        const double gap = 0.1;
        return new(
            $"gap/bootstrap/{queries}/{samples}",
            $"{queries} queries in both tiers, {samples} sample{(samples == 1 ? "" : "s")} each, non-compliance 60 and 50 %, queries unlike each other",
            [
                Measure.Coverage("gap: bootstrap by query, BCa (used for the gap)"),
                Measure.Coverage("gap: bootstrap by query, percentile"),
                Measure.Coverage("relative gap: bootstrap by query, percentile (used)"),
                Measure.Coverage("gap: CR1 by query, t"),
                Measure.Coverage("gap: query differences, t"),
            ],
            random =>
            {
                var (values, clusters, tiers) = Queries(random, queries, samples, gap);
                var difference = ClusterBootstrap.Of(ClusterStatistic.Difference, values, clusters, tiers, random, resamples: Resamples);
                var ratio = ClusterBootstrap.Of(ClusterStatistic.Ratio, values, clusters, [.. tiers.Select(t => 1 - t)], random, resamples: Resamples);
                var clustered = ClusteredDifference.Of(values, tiers, clusters);
                return
                [
                    Draws.Covers(difference.Bca, gap),
                    Draws.Covers(difference.Percentile, gap),
                    Draws.Covers(ratio.Percentile, 0.5 / 0.6),
                    Draws.Covers(clustered.Cr1T(), gap),
                    Draws.Covers(clustered.QueryT(), gap),
                ];
            }
        );
    }

    private static SyntheticStudy Several() =>
        new(
            "gap/null/samples",
            "100 queries in both tiers, 4 samples each, no gap, queries unlike each other",
            [
                Measure.Size("sign test of queries, mid-p (used for the gap)"),
                Measure.Size("CR1 by query, z"),
                Measure.Size("linear probability, CR1 by query, t"),
                Measure.Size(
                    "z test that takes samples for queries",
                    "wrong on purpose: it ignores that both tiers have the same queries, which here makes it too cautious"
                ),
            ],
            random =>
            {
                var (values, clusters, tiers) = Queries(random, 100, 4, 0);
                int more = 0,
                    less = 0;
                for (var q = 0; q < 100; q++)
                {
                    double sum = 0;
                    for (var i = 0; i < 8; i++)
                        sum += values[(8 * q) + i] * (i < 4 ? 1 : -1);
                    if (sum > 0)
                        more++;
                    else if (sum < 0)
                        less++;
                }

                var clustered = ClusteredDifference.Of(values, tiers, clusters);
                var linear = LinearProbabilityModel.Fit(values, [.. tiers.Select(t => (IReadOnlyList<double>)[t])], clusters);
                var naive = TwoProportions.Compare(
                    (long)values.Where((_, i) => tiers[i] == 1).Sum(),
                    400,
                    (long)values.Where((_, i) => tiers[i] == 0).Sum(),
                    400
                );
                return
                [
                    Draws.Rejects(PairedProportions.McNemarMid(more, less)),
                    Draws.Rejects(Normal.TwoSided(clustered.Difference / clustered.Cr1)),
                    Draws.Rejects(linear.PT[1]),
                    Draws.Rejects(naive.P),
                ];
            }
        );
}
