using RlHarness.Statistics.Simulation;

namespace RlHarness.Statistics.Studies;

/// <summary>One rate, and two independent rates.</summary>
internal static class ProportionStudies
{
    private const string Discrete = "a rate of few counts: coverage jumps with n and p, and the enumeration gives the same";

    private static readonly (string Name, Func<long, long, Interval> Of)[] Methods =
    [
        ("Wilson (used for every rate)", (x, n) => Proportion.Wilson(x, n)),
        ("Wilson, continuity corrected", (x, n) => Proportion.WilsonCorrected(x, n)),
        ("Clopper–Pearson", (x, n) => Proportion.ClopperPearson(x, n)),
        ("Agresti–Coull", (x, n) => Proportion.AgrestiCoull(x, n)),
        ("Jeffreys", (x, n) => Proportion.Jeffreys(x, n)),
    ];

    public static IEnumerable<SyntheticStudy> All()
    {
        yield return One(200, 0.119);
        yield return One(200, 0.02);
        yield return Anywhere();
        yield return Two();
        yield return SizeOfTwo();
        yield return SizeOfSmall();
    }

    private static SyntheticStudy One(int n, double p)
    {
        var tables = Methods.Select(m => Enumerable.Range(0, n + 1).Select(x => Draws.Covers(m.Of(x, n), p)).ToArray()).ToArray();
        var measures = Methods
            .Select(m =>
                Measure.Coverage(
                    m.Name,
                    m.Name switch
                    {
                        "Clopper–Pearson" or "Wilson, continuity corrected" => "never below its confidence by construction",
                        _ => p < 0.05 ? Discrete : null,
                    },
                    Draws.ExactCoverage(n, p, m.Of)
                )
            )
            .ToArray();
        return new($"rate/{n}/{p:0.###}", $"{n} responses, true rate {100 * p:0.#} %", measures, random =>
        {
            var x = random.Binomial(n, p);
            return [.. tables.Select(t => t[x])];
        });
    }

    private static SyntheticStudy Anywhere() =>
        new(
            "rate/any",
            "100 responses, true rate drawn anew, uniform",
            [
                .. Methods.Select(m =>
                    Measure.Coverage(
                        m.Name,
                        m.Name is "Clopper–Pearson" or "Wilson, continuity corrected" ? "never below its confidence by construction" : null
                    )
                ),
            ],
            random =>
            {
                var p = random.NextDouble();
                var x = random.Binomial(100, p);
                return [.. Methods.Select(m => Draws.Covers(m.Of(x, 100), p))];
            }
        );

    private static SyntheticStudy Two()
    {
        const double p1 = 0.25,
            p2 = 0.119;
        const int n = 100;
        return new(
            "rates/two",
            $"two groups of {n}, true rates 25 and 11.9 %",
            [
                Measure.Coverage("difference: Newcombe"),
                Measure.Coverage("difference: Newcombe, corrected", "continuity correction"),
                Measure.Coverage("difference: Wald"),
                Measure.Coverage("risk ratio: Katz"),
                Measure.Coverage("odds ratio: Woolf"),
                Measure.Coverage("odds ratio: conditional, exact", "exact: covers at least its confidence"),
            ],
            random =>
            {
                int x1 = random.Binomial(n, p1),
                    x2 = random.Binomial(n, p2);
                var t = TwoProportions.Compare(x1, n, x2, n);
                const double odds = p1 / (1 - p1) / (p2 / (1 - p2));
                return
                [
                    Draws.Covers(t.Newcombe, p1 - p2),
                    Draws.Covers(t.NewcombeCorrected, p1 - p2),
                    Draws.Covers(t.Wald, p1 - p2),
                    Draws.Covers(t.RiskRatioKatz, p1 / p2),
                    Draws.Covers(t.OddsRatioWoolf, odds),
                    Draws.Covers(FisherExact.Test(x1, n - x1, x2, n - x2).ConditionalInterval, odds),
                ];
            }
        );
    }

    private static SyntheticStudy SizeOfTwo() =>
        new(
            "rates/null",
            "two groups of 100, both 11.9 %",
            [
                Measure.Size("z test, pooled"),
                Measure.Size("Fisher's exact test", "exact and discrete: below its level", ExactPower.Fisher(0.119, 0.119, 100, 0.05)),
            ],
            random =>
            {
                int x1 = random.Binomial(100, 0.119),
                    x2 = random.Binomial(100, 0.119);
                return [Draws.Rejects(TwoProportions.Compare(x1, 100, x2, 100).P), Draws.Rejects(FisherExact.TwoSided(x1, 100 - x1, x2, 100 - x2))];
            }
        );

    private static SyntheticStudy SizeOfSmall()
    {
        // All p values once: there are 441 tables only.
        const int n = 20;
        var barnard = new Lazy<double[,]>(() =>
        {
            var p = new double[n + 1, n + 1];
            for (var a = 0; a <= n; a++)
                for (var c = 0; c <= n; c++)
                    p[a, c] = BarnardExact.Test(a, n - a, c, n - c).P;
            return p;
        });
        return new(
            "rates/null/small",
            $"two groups of {n}, both 30 %",
            [
                Measure.Size("Barnard's exact test", "exact, its level held at the least favourable rate"),
                Measure.Size("Fisher's exact test", "exact and discrete: below its level", ExactPower.Fisher(0.3, 0.3, n, 0.05)),
            ],
            random =>
            {
                int x1 = random.Binomial(n, 0.3),
                    x2 = random.Binomial(n, 0.3);
                return [Draws.Rejects(barnard.Value[x1, x2]), Draws.Rejects(FisherExact.TwoSided(x1, n - x1, x2, n - x2))];
            }
        );
    }
}
