using RlHarness.Statistics.Simulation;

namespace RlHarness.Statistics.Studies;

/// <summary>Rates whose samples come in queries, and their change over steps.</summary>
internal static class ClusterStudies
{
    public static IEnumerable<SyntheticStudy> All()
    {
        yield return Means(100, 4);
        yield return Means(20, 5);
        yield return Slopes(truth: 0.5);
        yield return Slopes(truth: 0);
        yield return Trends();
        yield return Change();
        yield return NoChange();
    }

    private static SyntheticStudy Means(int queries, int samples)
    {
        // A quarter of the queries at 60 %, the others at 5 %: mean 18.75 %, ICC 0.37.
        const double truth = (0.25 * 0.6) + (0.75 * 0.05);
        var few = queries < 50 ? "twenty queries of two unlike kinds: five hard ones or none, and symmetric limits are too short" : null;
        return new(
            $"mean/{queries}/{samples}",
            $"{queries} queries, {samples} samples each, rate 18.75 %, ICC 0.37",
            [
                Measure.Coverage("Wilson with the effective number of responses (used for every rate)", few),
                Measure.Coverage("clustered mean, CR1, t", few),
                Measure.Coverage("clustered mean, CR1, z", few),
                Measure.Coverage("clustered mean, Miller, z", few),
                Measure.Coverage("bootstrap by query, BCa", few),
            ],
            random =>
            {
                var (values, clusters) = (new double[queries * samples], new int[queries * samples]);
                for (var q = 0; q < queries; q++)
                {
                    var rate = random.NextBool(0.25) ? 0.6 : 0.05;
                    for (var s = 0; s < samples; s++)
                        (values[(q * samples) + s], clusters[(q * samples) + s]) = (random.NextBool(rate) ? 1 : 0, q);
                }

                var mean = ClusteredMean.Of(values, clusters);
                var bca = ClusterBootstrap.Of(ClusterStatistic.Mean, values, clusters, null, random, resamples: PairedStudies.Resamples).Bca;
                return
                [
                    Draws.Covers(ClusteredRate.Wilson(values, clusters, 0.95), truth),
                    Draws.Covers(mean.Cr1T(), truth),
                    Draws.Covers(mean.Cr1Normal(), truth),
                    Draws.Covers(mean.MillerNormal(), truth),
                    Draws.Covers(bca, truth),
                ];
            }
        );
    }

    /// <summary>Half of the queries have one draw of luck for all steps: outcomes are correlated, and the marginal model is logistic all the same.</summary>
    private static SyntheticStudy Slopes(double truth)
    {
        const int queries = 60,
            steps = 5;
        Measure[] measures =
            truth == 0
                ?
                [
                    Measure.Size("logistic slope, clustered by query, z"),
                    Measure.Size(
                        "logistic slope, model-based, z",
                        "wrong on purpose: samples of a query resemble each other along the steps, which makes a slope within queries surer than it thinks"
                    ),
                ]
                :
                [
                    Measure.Coverage("logistic slope, CR1 by query, z"),
                    Measure.Coverage("logistic slope, model-based, z", "wrong on purpose: ignores queries"),
                ];
        return new($"slope/{truth}", $"{queries} queries at each of {steps} steps, slope {truth} in log odds a step", measures, random =>
        {
            var (x, y, c) = (new double[queries * steps], new int[queries * steps], new int[queries * steps]);
            for (var q = 0; q < queries; q++)
            {
                var (luck, shared) = (random.NextDouble(), random.NextBool(0.5));
                for (var s = 0; s < steps; s++)
                {
                    var p = 1 / (1 + Math.Exp(1 - (truth * s)));
                    var at = (q * steps) + s;
                    (x[at], y[at], c[at]) = (s, (shared ? luck : random.NextDouble()) < p ? 1 : 0, q);
                }
            }

            var fit = LogisticSlope.Of(x, y, c);
            if (fit.Separated)
                return [double.NaN, double.NaN];
            return truth == 0
                ? [Draws.Rejects(fit.ClusterP), Draws.Rejects(fit.P)]
                : [Draws.Covers(Interval.Around(fit.Slope, Normal.Z(0.95) * fit.ClusterCr1), truth), Draws.Covers(fit.SlopeInterval(), truth)];
        });
    }

    private static SyntheticStudy Trends() =>
        new(
            "trend/null",
            "12 evaluations of 100 responses, 30 % at each",
            [
                Measure.Size("Cochran–Armitage"),
                Measure.Size("Mann–Kendall", "continuity correction on a short series"),
                Measure.Size("Spearman, t"),
                Measure.Size("Kendall τ, z"),
                Measure.Size("Kendall τ, exact (series without ties)", "exact and discrete: below its level"),
            ],
            random =>
            {
                var x = Enumerable.Range(0, 12).Select(_ => (long)random.Binomial(100, 0.3)).ToArray();
                double[] rates = [.. x.Select(v => v / 100.0)],
                    steps = [.. Enumerable.Range(0, 12).Select(i => (double)i)];
                double[] untied = [.. Enumerable.Range(0, 12).Select(_ => random.NextDouble())];
                var rank = RankCorrelation.Of(steps, rates);
                return
                [
                    Draws.Rejects(RateTrend.CochranArmitage(x, [.. x.Select(_ => 100L)], steps).P),
                    Draws.Rejects(MannKendall.Of(rates).P),
                    Draws.Rejects(rank.SpearmanP),
                    Draws.Rejects(rank.KendallP),
                    Draws.Rejects(RankCorrelation.Of(steps, untied).KendallExactP),
                ];
            }
        );

    private static SyntheticStudy Change() =>
        new(
            "change",
            "20 evaluations of 100 responses, 15 % before and 35 % from the ninth on",
            [
                Measure.Coverage(
                    "change point: positions within χ²(1)/2 of the maximum",
                    "a position is whole: the set holds it more often than promised when the change is large"
                ),
                new(SimulationKind.Mean, "share in which BIC prefers the change", 1, Tolerance: 0.01),
            ],
            random =>
            {
                var x = Enumerable.Range(0, 20).Select(i => (long)random.Binomial(100, i < 8 ? 0.15 : 0.35)).ToArray();
                var found = ChangePoint.Find(x, [.. x.Select(_ => 100L)]);
                return [found.First <= 8 && 8 <= found.Last ? 1 : 0, found.BicPrefersChange ? 1 : 0];
            }
        );

    private static SyntheticStudy NoChange() =>
        new(
            "change/null",
            "20 evaluations of 100 responses, 20 % at each",
            [
                new(
                    SimulationKind.Size,
                    "BIC prefers a change that is not there",
                    0.05,
                    Remark: "no test of level 5 %: BIC's price of log n a parameter makes false changes rarer the more responses there are"
                ),
            ],
            random =>
            {
                var x = Enumerable.Range(0, 20).Select(_ => (long)random.Binomial(100, 0.2)).ToArray();
                return [ChangePoint.Find(x, [.. x.Select(_ => 100L)]).BicPrefersChange ? 1 : 0];
            }
        );
}
