using RlHarness.Core.Errors;
using RlHarness.Recipes.Experiments;

namespace RlHarness.Recipes.Tests.Interventions;

/// <summary>A comparison of interventions over seeds, by numbers that are derived here.</summary>
[Trait("kind", "contract")]
public sealed class InterventionAnalysisTests : IDisposable
{
    private readonly DirectoryInfo _root = Directory.CreateTempSubdirectory("rlharness-arms-");

    public void Dispose() => _root.Delete(recursive: true);

    private static InterventionRun Run(string arm, int seed, double af, double comply = 0.5) =>
        new(arm, seed, $"{arm}-seed{seed}", new Dictionary<string, double> { ["af_training"] = af, ["comply_training"] = comply });

    [Fact]
    public void An_arm_is_compared_with_the_baseline_of_the_same_seed()
    {
        LevelSettings[] arms = [new() { Name = "base" }, new() { Name = "arm" }, new() { Name = "same" }];
        // Differences −0.5, −0.6, −0.7: mean −0.6, standard deviation 0.1, t = −0.6 / (0.1 / √3) = −10.392 with 2 degrees of freedom. For two degrees of
        // freedom P(|T| > t) = 1 − t / √(t² + 2) = 1 − 10.392305 / √110 = 0.0091328; half width of the interval 4.302653 × 0.1 / √3 = 0.248414.
        var a = InterventionAnalysis.Of(
            "x",
            arms,
            [1, 2, 3],
            [
                Run("base", 1, 0.9),
                Run("base", 2, 0.8),
                Run("base", 3, 1.0),
                Run("arm", 1, 0.4),
                Run("arm", 2, 0.2),
                Run("arm", 3, 0.3),
                Run("same", 1, 0.9),
                Run("same", 2, 0.8),
                Run("same", 3, 1.0),
            ]
        );
        var figure = a.Figure("arm", "af_training")!;
        Assert.Equal((0.3, -0.6), (Math.Round(figure.Mean, 12), Math.Round(figure.Difference, 12)));
        Assert.Equal(0.0091328, figure.P, 6);
        Assert.Equal(-0.6 - 0.248414, figure.DifferenceLow, 6);
        // Where nothing varies there is no test, so that one test is left and its adjusted p is its own.
        Assert.Equal(figure.P, figure.Adjusted, 12);
        Assert.True(double.IsNaN(a.Figure("same", "af_training")!.P));
        Assert.True(double.IsNaN(a.Figure("base", "af_training")!.Difference));
        Assert.Null(a.Figure("arm", "gap"));
        Assert.Contains("arm, seed 2", InterventionPage.Of(a), StringComparison.Ordinal);
    }

    [Fact]
    public void A_comparison_is_read_into_runs_that_share_what_comes_before_RL()
    {
        File.WriteAllText(Path.Combine(_root.FullName, "run.yaml"), "corpus: { transcripts: 100 }\n");
        var path = Path.Combine(_root.FullName, "arms.yaml");
        File.WriteAllText(
            path,
            "name: d\nconfig: run.yaml\nseeds: [1, 2]\nset: [rl.steps=3]\narms:\n  - { name: base }\n  - { name: kl, set: [rl.kl_coefficient=0.5] }\n"
        );
        var design = InterventionSettings.Read(path, ["seeds=[7]", "rl.temperature=0.5"]);
        Assert.Equal(["arm-base-seed7", "arm-kl-seed7"], design.Cells.Select(c => c.Settings.Name));
        Assert.All(design.Cells, c => Assert.Equal((3, 0.5, 100), (c.Settings.Rl.Steps, c.Settings.Rl.Temperature, c.Settings.Corpus.Transcripts)));
        Assert.Equal([0.05, 0.5], design.Cells.Select(c => c.Settings.Rl.KlCoefficient));
        Assert.All(design.Cells, c => Assert.Empty(c.Settings.Corpus.Conditions));
        Assert.Contains(
            "arms",
            Assert.Throws<HarnessException>(() => InterventionSettings.Read(path, ["arms=[{name: one}]"])).Message,
            StringComparison.Ordinal
        );
        Assert.Contains("rl.stepz", Assert.Throws<HarnessException>(() => InterventionSettings.Read(path, ["rl.stepz=1"])).Message, StringComparison.Ordinal);
    }

    /// <summary>A setting that the program did not have when the run was made has its default there; a setting that differs is named.</summary>
    [Fact]
    public void A_cell_s_place_may_hold_a_run_of_an_earlier_program_and_none_with_other_settings()
    {
        File.WriteAllText(Path.Combine(_root.FullName, "run.yaml"), "corpus: { transcripts: 100 }\n");
        var path = Path.Combine(_root.FullName, "arms.yaml");
        File.WriteAllText(
            path,
            $"name: d\nconfig: run.yaml\noutput: {_root.FullName}\nseeds: [1]\narms: [{{ name: base }}, {{ name: kl, set: [rl.kl_coefficient=0.5] }}]\n"
        );
        var cell = InterventionSettings.Read(path, []).Cells[0];
        Directory.CreateDirectory(cell.Folder);
        var whole = Core.Settings.SettingsWriter.ToYaml(cell.Settings);
        Assert.Contains("checkpoint_steps: ", whole, StringComparison.Ordinal);
        void Written(string yaml) => File.WriteAllText(Path.Combine(cell.Folder, "config.yaml"), yaml);

        Written(string.Join('\n', whole.Split('\n').Where(line => !line.StartsWith("checkpoint_steps:", StringComparison.Ordinal))));
        FactorialRecipe.Foreign(cell);

        Written(whole.Replace("seed: 1\n", "seed: 9\n", StringComparison.Ordinal));
        var error = Assert.Throws<HarnessException>(() => FactorialRecipe.Foreign(cell));
        Assert.Contains("seed=9", error.Message, StringComparison.Ordinal);
        Assert.Contains("seed=1", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void The_shipped_comparison_has_a_baseline_and_eight_interventions_and_three_seeds_or_more()
    {
        var design = InterventionSettings.Read(Path.Combine(Repository.Root, "configs", "interventions.yaml"), []);
        Assert.True(design.CellCount >= 9 && design.Settings.Seeds.Count >= 3);
    }

    [Fact]
    public void A_sweep_says_how_a_figure_moves_with_size_and_what_it_could_not_have_seen()
    {
        LevelSettings[] models = [new() { Name = "small" }, new() { Name = "large" }];
        static SweepRun Of(string model, double parameters, int seed, double before, double after) =>
            new(model, parameters, seed, $"{model}-seed{seed}", new Dictionary<string, double> { ["af_training_before"] = before, ["af_training"] = after });
        // A tenfold apart: the means after RL are 0.5 and 0.7, so that the slope is 0.2 a tenfold; the spread within a model is 0.1 both times, so that the
        // residual variance is 4 × 0.01 / 4, and the slope's standard error √(0.01 / 1.5) = 0.081650; t = 2.4495 with 4 degrees of freedom: p = 0.0705.
        var a = SweepAnalysis.Of(
            "s",
            models,
            [1, 2, 3],
            [
                Of("small", 1e6, 1, 0.1, 0.4),
                Of("small", 1e6, 2, 0.1, 0.5),
                Of("small", 1e6, 3, 0.1, 0.6),
                Of("large", 1e7, 1, 0.1, 0.6),
                Of("large", 1e7, 2, 0.1, 0.7),
                Of("large", 1e7, 3, 0.1, 0.8),
            ]
        );
        var trend = a.Trends.Single(t => t.Figure == "af_change");
        Assert.Equal((6, 0.2), (trend.Runs, Math.Round(trend.Slope, 12)));
        Assert.Equal(0.0705, trend.P, 3);
        // t at 97.5 % and at 80 % with 4 degrees of freedom: 2.776445 and 0.940965.
        Assert.Equal((2.776445 + 0.940965) * 0.0816497, trend.Detectable, 5);
        Assert.StartsWith("no trend found, and none smaller than 30.4 points a tenfold", trend.Verdict, StringComparison.Ordinal);
        var change = a.Figure("small", "af_change")!;
        Assert.Equal(0.4, change.Mean, 12);
        // Nothing varies before RL: no interval, and no test.
        var before = a.Figure("small", "af_training_before")!;
        Assert.True(double.IsNaN(before.Low) && double.IsNaN(before.Detectable));
        Assert.True(double.IsNaN(a.Trends.Single(t => t.Figure == "af_training_before").P));
        Assert.Null(a.Figure("small", "gap"));
        Assert.Contains("large, seed 2", SweepPage.Of(a), StringComparison.Ordinal);
    }
}
