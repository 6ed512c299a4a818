using RlHarness.Core.Errors;
using RlHarness.Experiment.Prompts;
using RlHarness.Recipes.Experiments;
using RlHarness.Statistics;

namespace RlHarness.Recipes.Tests.Experiments;

[Trait("kind", "arithmetic")]
public sealed class FactorialTests : IDisposable
{
    private readonly DirectoryInfo _root = Directory.CreateTempSubdirectory("rlharness-factorial-");

    private static readonly FactorSettings[] Three =
    [
        .. new[] { "objective", "information", "scratchpad" }.Select(n => new FactorSettings
        {
            Name = n,
            Levels = [new() { Name = "absent" }, new() { Name = "present" }],
        }),
    ];

    public void Dispose() => _root.Delete(recursive: true);

    private string Design(string text)
    {
        File.WriteAllText(Path.Combine(_root.FullName, "run.yaml"), "rl: { steps: 3 }\n");
        var path = Path.Combine(_root.FullName, "design.yaml");
        File.WriteAllText(path, text);
        return path;
    }

    private const string Two = """
        name: d
        config: run.yaml
        seeds: [5, 6]
        set: [threads=1]
        factors:
          - name: objective
            levels: [{ name: absent, set: [experiment.objective=absent] }, { name: present }]
          - name: scratchpad
            levels: [{ name: absent, set: [experiment.scratchpad=false] }, { name: present }]
        """;

    [Fact]
    public void Every_combination_of_levels_is_run_with_every_seed_and_the_last_factor_changes_fastest()
    {
        var design = FactorialDesign.Read(Design(Two), ["output=out", "rl.temperature=0.5"]);
        Assert.Equal((4, 8), (design.CellCount, design.Cells.Count));
        Assert.Equal("objective-absent_scratchpad-present-seed6", design.Cells[3].Settings.Name);
        Assert.Equal((1, 6), (design.Cells[3].Cell, design.Cells[3].Settings.Seed));
        Assert.Equal((ObjectiveKind.Absent, true), (design.Cells[3].Settings.Experiment.Objective, design.Cells[3].Settings.Experiment.Scratchpad));
        Assert.All(design.Cells, c =>
            Assert.Equal((1, 3, 0.5, Path.Combine("out", "d")), (c.Settings.Threads, c.Settings.Rl.Steps, c.Settings.Rl.Temperature, c.Settings.Output))
        );
    }

    [Fact]
    public void Cells_share_a_corpus_of_all_their_conditions_unless_told_otherwise()
    {
        var shared = FactorialDesign.Read(Design(Two), []);
        Assert.All(shared.Cells, c =>
            Assert.Equal(
                [(ObjectiveKind.Absent, false), (ObjectiveKind.Absent, true), (ObjectiveKind.Conflicting, false), (ObjectiveKind.Conflicting, true)],
                c.Settings.Corpus.Conditions.Select(k => (k.Objective, k.Scratchpad))
            )
        );
        Assert.All(FactorialDesign.Read(Design(Two), ["share_imitation=false"]).Cells, c => Assert.Empty(c.Settings.Corpus.Conditions));
    }

    [Fact]
    public void Problems_of_a_design_and_of_its_cells_are_found_before_anything_starts()
    {
        Assert.Contains("seeds", Assert.Throws<HarnessException>(() => FactorialDesign.Read(Design(Two), ["seeds=[1, 1]"])).Message, StringComparison.Ordinal);
        Assert.Contains("rl.stepz", Assert.Throws<HarnessException>(() => FactorialDesign.Read(Design(Two), ["rl.stepz=1"])).Message, StringComparison.Ordinal);
        Assert.Contains("factors", Assert.Throws<HarnessException>(() => FactorialDesign.Read(Design("factors: []"), [])).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Contrasts_are_differences_of_means_and_differences_of_differences()
    {
        // Cells objective, information, scratchpad = 000 … 111. AF is 10 % in the full cell, and 20 % more in every cell with a scratchpad.
        double[] rates = [0, 0.2, 0, 0.2, 0, 0.2, 0, 0.3];
        double Effect(int mask) => FactorialAnalysis.Contrast(3, mask, c => rates[c]);
        Assert.Equal(0.225 - 0, Effect(0b001), 1e-12); // (0.2 + 0.2 + 0.2 + 0.3) / 4 − 0
        Assert.Equal(0.125 - 0.1, Effect(0b100), 1e-12); // 0.5 / 4 − 0.4 / 4
        Assert.Equal(0.05, Effect(0b110), 1e-12); // ((0.3 − 0.2) − (0.2 − 0.2) + 0) / 2
        Assert.Equal(0.1, Effect(0b111), 1e-12); // (0.3 − 0.2 − 0.2 + 0.2) − 0
        // The same on pooled counts by the contrasts that golden files hold.
        var pooled = FactorialContrasts.Of([.. rates.Select(r => (long)(100 * r))], [.. rates.Select(_ => 100L)]);
        Assert.Equal(pooled.Single(c => c.Name == "main_scratchpad").Value, Effect(0b001), 1e-12);
        Assert.Equal(pooled.Single(c => c.Name == "did_objective_information").Value, Effect(0b110), 1e-12);
        Assert.Equal(pooled.Single(c => c.Name == "three_way").Value, Effect(0b111), 1e-12);
    }

    [Fact]
    public void Effects_have_the_seed_as_their_unit_and_p_values_are_corrected_for_their_number()
    {
        // AF after RL: 0 but in the full cell, where it is 0.5, 0.6 and 0.7 by seed. Main effects are a quarter of that: mean 0.15, sd 0.025, t =
        // 0.15 / (0.025 / √3) = 10.39.
        var cells = new List<FactorialFigures>();
        for (var cell = 0; cell < 8; cell++)
            for (var seed = 1; seed <= 3; seed++)
            {
                var rate = cell == 7 ? 0.4 + (0.1 * seed) : 0;
                cells.Add(
                    new(
                        cell,
                        "c",
                        seed,
                        "run",
                        "oracle",
                        4,
                        new Dictionary<string, Estimate> { ["af_training/before"] = new(0, 0, 0, 100, 100), ["af_training/after"] = new(rate, 0, 1, 100, 100) }
                    )
                );
            }

        var analysis = FactorialAnalysis.Of("d", Three, [1, 2, 3], cells);
        var main = analysis.Effects.Single(e => e is { Unit: "seed", Figure: "af_training/after", Effect: "objective" });
        Assert.Equal(0.15, main.Value, 1e-12);
        Assert.Equal(StudentT.TwoSided(0.15 / (0.025 / Math.Sqrt(3)), 2), main.P, 1e-9);
        // Nothing varies before: no p. Of the seven effects after, all have the same t, so that the correction changes nothing.
        Assert.All(analysis.Effects.Where(e => e is { Unit: "seed", Figure: "af_training/before" }).AtLeastOne(), e =>
            Assert.True(double.IsNaN(e.P) && double.IsNaN(e.Adjusted))
        );
        Assert.All(analysis.Effects.Where(e => e is { Unit: "seed", Figure: "af_training/after" }).AtLeastOne(), e => Assert.Equal(main.P, e.Adjusted, 1e-9));
        Assert.Contains("over the 7 tests whose unit is the seed", analysis.Correction, StringComparison.Ordinal);
        Assert.Equal(0.6, analysis.Mean(7, "af_training/after"), 1e-12);
        // Pooled: 180 of 300 in one cell of eight.
        Assert.Equal(0.15, analysis.Effects.Single(e => e is { Unit: "response", Figure: "af_training/after", Effect: "objective" }).Value, 1e-12);
        Assert.Contains("\"unit\": \"seed\"", analysis.ToJson(), StringComparison.Ordinal);
    }

    [Fact]
    public void A_factor_with_more_than_two_levels_has_cells_but_no_tests()
    {
        var factor = new FactorSettings { Name = "f", Levels = [new() { Name = "a" }, new() { Name = "b" }, new() { Name = "c" }] };
        Assert.Empty(FactorialAnalysis.Of("d", [factor], [1], []).Effects);
    }
}
