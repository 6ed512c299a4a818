using System.Globalization;
using RlHarness.Statistics.Simulation;

namespace RlHarness.Statistics.Studies;

/// <summary>What the plan promises against what tests find.</summary>
internal static class PowerStudies
{
    public static IEnumerable<SyntheticStudy> All()
    {
        yield return McNemar(0.05, 0.115);
        yield return McNemar(0.03, 0.115);
        yield return McNemar(0.01, 0.115);
        yield return McNemar(0.05, 0.3);
        yield return McNemar(0.1, 0.115, "almost all discordant pairs point one way: few of them decide, and a formula for large samples is off");
        yield return Two();
        yield return Small();
        yield return OneMean();
    }

    private static SyntheticStudy McNemar(double gap, double discordant, string? remark = null)
    {
        double more = (discordant + gap) / 2,
            less = (discordant - gap) / 2;
        var n = (int)Power.Ceiling(Power.McNemarSize(more, less));
        // Enumeration over all tables takes n² p values; the mid-p of large samples comes from the formula.
        var exact = n <= 1100;
        double Plan(Func<long, long, double> p) => exact ? ExactPower.McNemar(more, less, n, 0.05, p) : Power.McNemar(more, less, n);
        var basis = exact ? "by enumeration" : "Connor's formula";
        return new(
            $"power/mcnemar/{gap}/{discordant}",
            $"{n} queries, gap {100 * gap:0.#} points, {100 * discordant:0.#} % discordant (the size that Connor's formula gives for 80 %)",
            [
                Measure.Power("McNemar, χ² (plan: Connor's formula, as power and dry run print)", Power.McNemar(more, less, n), exact: false, remark),
                Measure.Power($"McNemar, mid-p (plan: {basis})", Plan(PairedProportions.McNemarMid), exact),
                Measure.Power(
                    $"McNemar, exact (plan: {basis})",
                    Plan(PairedProportions.McNemarExact),
                    exact,
                    exact ? null : "an exact test finds a little less than the formula for χ²"
                ),
            ],
            random =>
            {
                var c = random.Multinomial(n, more, less, 1 - more - less);
                return
                [
                    Draws.Rejects(ExactPower.ChiSquaredP(c[0], c[1])),
                    Draws.Rejects(PairedProportions.McNemarMid(c[0], c[1])),
                    Draws.Rejects(PairedProportions.McNemarExact(c[0], c[1])),
                ];
            }
        );
    }

    private static SyntheticStudy Two()
    {
        const double p1 = 0.25,
            p2 = 0.119;
        var n = (int)Power.Ceiling(Power.TwoProportionsSize(p1, p2));
        return new(
            "power/two",
            $"two groups of {n}, 25 and 11.9 %",
            [
                Measure.Power("z test, pooled (plan: formula)", Power.TwoProportions(p1, p2, n), exact: false),
                Measure.Power("Fisher's exact test (plan: by enumeration)", ExactPower.Fisher(p1, p2, n, 0.05), exact: true),
            ],
            random =>
            {
                int x1 = random.Binomial(n, p1),
                    x2 = random.Binomial(n, p2);
                return [Draws.Rejects(TwoProportions.Compare(x1, n, x2, n).P), Draws.Rejects(FisherExact.TwoSided(x1, n - x1, x2, n - x2))];
            }
        );
    }

    private static SyntheticStudy Small() =>
        new(
            "power/seeds",
            "5 seeds a condition, a true difference of 2 standard deviations",
            [Measure.Power("two conditions: pooled t (plan: noncentral t)", SeedPower.TwoConditions(2, 5), exact: true)],
            random =>
                [
                    Draws.Rejects(
                        SeedsTwoSamples
                            .Compare(
                                [.. Enumerable.Range(0, 5).Select(_ => random.NextGaussian() + 2)],
                                [.. Enumerable.Range(0, 5).Select(_ => random.NextGaussian())]
                            )
                            .Pooled.P
                    ),
                ]
        );

    private static SyntheticStudy OneMean()
    {
        var effect = SeedPower.DetectableMean(3);
        return new(
            "power/mean",
            string.Create(CultureInfo.InvariantCulture, $"3 seeds, a true mean of {effect:f2} standard deviations (the smallest that a sweep calls visible)"),
            [Measure.Power("mean of seeds: t test (plan: noncentral t)", 0.8, exact: true)],
            random => [Draws.Rejects(SeedMean.Of([.. Enumerable.Range(0, 3).Select(_ => random.NextGaussian() + effect)]).P)]
        );
    }
}
