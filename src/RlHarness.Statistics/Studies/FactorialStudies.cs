using RlHarness.Statistics.Simulation;

namespace RlHarness.Statistics.Studies;

/// <summary>The 2 × 2 × 2 design, and many tests at once.</summary>
internal static class FactorialStudies
{
    public static IEnumerable<SyntheticStudy> All()
    {
        yield return Contrasts();
        yield return Logistic();
        yield return Many();
    }

    private static SyntheticStudy Contrasts()
    {
        // Faking needs all three factors: 12 % there, 1 % elsewhere but for 4 % with two.
        double[] rates = [0.01, 0.01, 0.01, 0.02, 0.01, 0.02, 0.04, 0.12];
        var truth = FactorialContrasts
            .Of([.. rates.Select(r => (long)Math.Round(r * 1000))], [.. rates.Select(_ => 1000L)])
            .ToDictionary(c => c.Name, c => c.Value, StringComparer.Ordinal);
        string[] names = ["main_objective", "did_objective_information", "three_way"];
        return new(
            "factorial/contrasts",
            "eight cells of 400 responses, rates from 1 to 12 %",
            [.. names.Select(n => Measure.Coverage($"contrast {n}"))],
            random =>
            {
                var found = FactorialContrasts.Of([.. rates.Select(r => (long)random.Binomial(400, r))], [.. rates.Select(_ => 400L)]);
                return [.. names.Select(n => Draws.Covers(found.First(c => c.Name == n).Interval, truth[n]))];
            }
        );
    }

    private static SyntheticStudy Logistic() =>
        new(
            "factorial/null",
            "eight cells of 100 responses, 30 % in each",
            [
                Measure.Size("three-way contrast, z"),
                Measure.Size("three-way interaction of the logistic model, z"),
                Measure.Size("main effect of the logistic model, z"),
            ],
            random =>
            {
                long[] x = [.. Enumerable.Range(0, 8).Select(_ => (long)random.Binomial(100, 0.3))],
                    n = [.. Enumerable.Repeat(100L, 8)];
                var full = FactorialLogistic.Fit(FactorialModel.Saturated, x, n);
                var main = FactorialLogistic.Fit(FactorialModel.Main, x, n);
                return
                [
                    Draws.Rejects(FactorialContrasts.Of(x, n)[^1].P),
                    full.Separated ? double.NaN : Draws.Rejects(full.P[7]),
                    main.Separated ? double.NaN : Draws.Rejects(main.P[1]),
                ];
            }
        );

    private static SyntheticStudy Many() =>
        new(
            "many/fdr",
            "20 tests, 15 without an effect, 5 with one of 3 standard errors",
            [
                new(SimulationKind.Mean, "false discoveries of all: Benjamini–Hochberg", 0.05 * 15 / 20, 0.05 * 15 / 20),
                new(SimulationKind.Mean, "any false discovery: Holm", 0.05, Tolerance: 0.015, Remark: "at most 5 %"),
            ],
            random =>
            {
                var p = Enumerable.Range(0, 20).Select(i => Normal.TwoSided(random.NextGaussian() + (i < 15 ? 0 : 3))).ToArray();
                var (bh, holm) = (MultipleTests.BenjaminiHochberg(p), MultipleTests.Holm(p));
                double found = bh.Count(q => q <= 0.05),
                    wrong = bh.Take(15).Count(q => q <= 0.05);
                return [found == 0 ? 0 : wrong / found, holm.Take(15).Any(q => q <= 0.05) ? 1 : 0];
            }
        );
}
