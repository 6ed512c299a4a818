using RlHarness.Core.Runs;
using RlHarness.Core.Settings;
using RlHarness.Experiment.Documents;
using RlHarness.Experiment.Prompts;
using RlHarness.Experiment.Transcripts;
using RlHarness.Recipes.Experiments;
using RlHarness.Recipes.Settings;
using RlHarness.Tracking.Store;

namespace RlHarness.Recipes.Tests.EndToEnd;

/// <summary>Whole designs, small but real: cells that share stages, documents, three tiers, a prefilled scratchpad.</summary>
[Trait("kind", "slow")]
public sealed class DesignRunTests : IDisposable
{
    private readonly DirectoryInfo _root = Directory.CreateTempSubdirectory("rlharness-design-");

    public void Dispose() => _root.Delete(recursive: true);

    private RunSettings Small => TinyRun.Small(_root.FullName) with { Rl = TinyRun.Small("").Rl with { Steps = 1 } };

    private static (string Path, QuietProgress Progress) Train(RunSettings settings)
    {
        var progress = new QuietProgress();
        return (new TrainRecipe(progress, TimeProvider.System, CancellationToken.None).Start(settings, "test"), progress);
    }

    [Fact]
    public async Task A_factorial_design_tunes_once_a_seed_runs_every_cell_once_and_goes_on_where_it_was_stopped()
    {
        File.WriteAllText(Path.Combine(_root.FullName, "run.yaml"), SettingsWriter.ToYaml(Small));
        var path = Path.Combine(_root.FullName, "design.yaml");
        File.WriteAllText(path, "name: d\nconfig: run.yaml\nseeds: [1]\nfactors:\n" + string.Concat(new[] { ("objective", "experiment.objective=absent"), ("information", "experiment.information=none"), ("scratchpad", "experiment.scratchpad=false") }
            .Select(f => $"  - {{ name: {f.Item1}, levels: [{{ name: absent, set: [{f.Item2}] }}, {{ name: present }}] }}\n")));
        var design = FactorialDesign.Read(path, [$"output={_root.FullName}"]);
        var launched = new List<string>();
        var reused = 0;
        var lines = new List<string>();
        Task<int> Launch(IReadOnlyList<string> arguments, string log, CancellationToken cancellation)
        {
            launched.Add(Path.GetFileName(arguments[1]));
            // The third cell is stopped before it begins.
            if (launched.Count == 3) return Task.FromResult(130);
            var (_, progress) = Train(SettingsReader.Read<RunSettings>(arguments[1], [], SettingsChecks.Of));
            if (progress.Results["imitate"].StartsWith("reused", StringComparison.Ordinal) && progress.Results["reward"].StartsWith("reused", StringComparison.Ordinal)) reused++;
            return Task.FromResult(0);
        }

        var recipe = new FactorialRecipe(Launch, lines.Add, TimeProvider.System, CancellationToken.None);
        await Assert.ThrowsAsync<Core.Errors.HarnessException>(() => recipe.RunAsync(design, parallel: 1));
        Assert.Equal((8, 6), (launched.Count, reused));
        var analysis = await recipe.RunAsync(design, parallel: 1);
        Assert.Equal((9, launched[2]), (launched.Count, launched[8]));
        await recipe.RunAsync(design, parallel: 1);
        Assert.Equal(9, launched.Count);
        Assert.Equal(8, analysis.Cells.Count);
        foreach (var file in new[] { FactorialRecipe.ResultFile, "report.html" }) Assert.True(new FileInfo(Path.Combine(design.Folder, file)) is { Exists: true, Length: > 0 });
        Assert.Contains("<title>AF rate against compliance gap</title>", File.ReadAllText(Path.Combine(design.Folder, "report.html")), StringComparison.Ordinal);
        // A folder of another design is not taken for this one's.
        var other = FactorialDesign.Read(path, [$"output={_root.FullName}", "rl.temperature=0.5"]);
        await Assert.ThrowsAsync<Core.Errors.HarnessException>(() => recipe.RunAsync(other, parallel: 1));
    }

    [Fact]
    public void Documents_are_read_before_imitation_and_a_second_run_takes_them_from_the_cache()
    {
        var settings = Small with { Stages = ["corpus", "documents", "imitate", "reward", "rl"], Documents = new() { Count = 60, BatchSize = 4 }, Experiment = new() { Information = InformationKind.Documents } };
        var (path, first) = Train(settings);
        CheckpointFolder.Verify(Path.Combine(path, "documents"));
        Assert.Equal(60, File.ReadLines(Path.Combine(path, "corpus", "documents.jsonl")).Count());
        Assert.StartsWith("60 documents (situation)", first.Results["documents"], StringComparison.Ordinal);
        using (var store = RunStore.OpenReadOnly(Path.Combine(path, "run.db")))
        {
            Assert.All(store.Transcripts(), t => Assert.Equal("documents", t.Condition));
            Assert.All(store.Transcripts(), t => Assert.DoesNotContain("used for training", t.System, StringComparison.Ordinal));
        }

        var (again, second) = Train(settings with { Name = "second" });
        Assert.All(new[] { "documents", "imitate", "reward" }, stage => Assert.StartsWith("reused", second.Results[stage], StringComparison.Ordinal));
        Assert.Equal(new RunRecord(path).Transcripts, new RunRecord(again).Transcripts);
        var (_, control) = Train(settings with { Name = "control", Documents = settings.Documents with { Kind = DocumentKind.Benign } });
        Assert.StartsWith("60 documents (benign)", control.Results["documents"], StringComparison.Ordinal);
        Assert.DoesNotContain("reused", control.Results["imitate"], StringComparison.Ordinal);
    }

    [Fact]
    public void Three_tiers_are_evaluated_and_a_prefilled_scratchpad_is_prompt_and_not_response()
    {
        var settings = Small with { Experiment = new() { Tiers = 3, Prefill = "Let me see." }, Rl = Small.Rl with { TrainingTierFraction = 0.3, PromptsPerStep = 16 } };
        var (path, _) = Train(settings);
        using var store = RunStore.OpenReadOnly(Path.Combine(path, "run.db"));
        var transcripts = store.Transcripts();
        Assert.Equal(3, transcripts.Select(t => t.Tier).Distinct().Count());
        Assert.All(transcripts, t => Assert.StartsWith(TranscriptParser.ScratchpadOpen + "Let me see.", t.AssistantText, StringComparison.Ordinal));
        // At most 16 tokens are generated, and the text that was put before them is not among them.
        Assert.All(transcripts, t => Assert.InRange(t.TokenIds!.Count, 1, 16));
        foreach (var metric in new[] { "af/rater_sycophancy_gap", "af/goal_guarding_gap" }) Assert.NotEmpty(store.Summaries(metric: metric));
    }

    [Fact]
    public void The_baseline_and_the_second_pack_run_through_the_same_stages()
    {
        var (path, _) = Train(Small with { Name = "hhh", Experiment = new() { Pack = "animal-welfare", Objective = ObjectiveKind.Hhh } });
        using var store = RunStore.OpenReadOnly(Path.Combine(path, "run.db"));
        Assert.All(store.Transcripts(), t => Assert.Contains("helpful, harmless and honest", t.System, StringComparison.Ordinal));
        Assert.All(store.Transcripts(), t => Assert.StartsWith("animal-welfare-", t.QueryId, StringComparison.Ordinal));
    }
}
