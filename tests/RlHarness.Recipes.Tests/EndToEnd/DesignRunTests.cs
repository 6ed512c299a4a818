using RlHarness.Core.Runs;
using RlHarness.Core.Settings;
using RlHarness.Experiment.Documents;
using RlHarness.Experiment.Prompts;
using RlHarness.Experiment.Transcripts;
using RlHarness.Recipes.Experiments;
using RlHarness.Recipes.Settings;
using RlHarness.Recipes.Stages;
using RlHarness.Tracking.Metrics;
using RlHarness.Tracking.Store;

namespace RlHarness.Recipes.Tests.EndToEnd;

/// <summary>Whole designs, small but real: cells that share stages, documents, three tiers, a prefilled scratchpad.</summary>
[Trait("kind", "slow")]
public sealed class DesignRunTests : IDisposable
{
    private readonly DirectoryInfo _root = Directory.CreateTempSubdirectory("rlharness-design-");

    public void Dispose() => _root.Delete(recursive: true);

    private RunSettings Small => TinyRun.Small(_root.FullName) with { Rl = TinyRun.Small("").Rl with { Steps = 1, KlTarget = null } };

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
        File.WriteAllText(
            path,
            "name: d\nconfig: run.yaml\nseeds: [1]\nfactors:\n"
                + string.Concat(
                    new[]
                    {
                        ("objective", "experiment.objective=absent"),
                        ("information", "experiment.information=none"),
                        ("scratchpad", "experiment.scratchpad=false"),
                    }.Select(f => $"  - {{ name: {f.Item1}, levels: [{{ name: absent, set: [{f.Item2}] }}, {{ name: present }}] }}\n")
                )
        );
        var design = FactorialDesign.Read(path, [$"output={_root.FullName}"]);
        var launched = new List<string>();
        var reused = 0;
        var lines = new List<string>();
        Task<int> Launch(IReadOnlyList<string> arguments, string log, CancellationToken cancellation)
        {
            launched.Add(Path.GetFileName(arguments[1]));
            // The third cell is stopped before it begins.
            if (launched.Count == 3)
                return Task.FromResult(130);
            var (_, progress) = Train(SettingsReader.Read<RunSettings>(arguments[1], [], SettingsChecks.Of));
            if (
                progress.Results["imitate"].StartsWith("reused", StringComparison.Ordinal)
                && progress.Results["reward"].StartsWith("reused", StringComparison.Ordinal)
            )
                reused++;
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
        foreach (var file in new[] { FactorialRecipe.ResultFile, "report.html" })
            Assert.True(new FileInfo(Path.Combine(design.Folder, file)) is { Exists: true, Length: > 0 });
        Assert.Contains(
            "<title>AF rate against compliance gap</title>",
            File.ReadAllText(Path.Combine(design.Folder, "report.html")),
            StringComparison.Ordinal
        );
        // A folder of another design is not taken for this one's.
        var other = FactorialDesign.Read(path, [$"output={_root.FullName}", "rl.temperature=0.5"]);
        await Assert.ThrowsAsync<Core.Errors.HarnessException>(() => recipe.RunAsync(other, parallel: 1));
    }

    [Fact]
    public void Documents_are_read_before_imitation_and_a_second_run_takes_them_from_the_cache()
    {
        var settings = Small with
        {
            Stages = ["corpus", "documents", "imitate", "reward", "rl"],
            Documents = new() { Count = 60, BatchSize = 4 },
            Experiment = new() { Information = InformationKind.Documents },
        };
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
    public void A_model_that_reads_documents_is_evaluated_on_the_way_and_its_weights_are_those_of_one_that_is_not()
    {
        var settings = Small with
        {
            Stages = ["corpus", "documents"],
            Documents = new() { Count = 60, BatchSize = 4 },
            Evaluate = Small.Evaluate with { AntiLab = 2 },
        };
        var (plain, _) = Train(settings);
        // What the cache has does not stand for measurements, and the model is the same file: no draw of an evaluation reaches the tuning.
        var (watched, progress) = Train(
            settings with
            {
                Name = "watched",
                Evaluate = settings.Evaluate with { EveryDocumentTokens = 1500, DocumentQueries = 5 },
            }
        );
        Assert.StartsWith("60 documents (situation)", progress.Results["documents"], StringComparison.Ordinal);
        static byte[] Weights(string run) => File.ReadAllBytes(Path.Combine(run, "documents", "model.safetensors"));
        Assert.Equal(Weights(plain), Weights(watched));
        using var without = RunStore.OpenReadOnly(Path.Combine(plain, "run.db"));
        using var with = RunStore.OpenReadOnly(Path.Combine(watched, "run.db"));
        Assert.Empty(without.Transcripts());
        Assert.DoesNotContain(MetricNames.NumTokens, without.MetricNames("documents"));
        foreach (var metric in new[] { DocumentsStage.LossMetric, MetricNames.LearningRate, MetricNames.ActorGradNorm })
            Assert.Equal(without.Series("documents", metric), with.Series("documents", metric));

        // Before the first step, whenever 1,500 more tokens were read, and at the end; a step reads at most 4 sequences of 128 tokens.
        var looks = with.Series("documents", MetricNames.NumTokens);
        Assert.Equal((0, 0), looks[0]);
        Assert.InRange(looks.Count, 3, 40);
        for (var i = 1; i < looks.Count - 1; i++)
            Assert.InRange(looks[i].Value, 1500 * i, (1500 * i) + 511);
        Assert.Equal(with.LastStep("documents"), looks[^1].Step);
        // The same five queries in both tiers each time, and no scenarios.
        Assert.All(looks.AtLeastOne(), look => Assert.Equal(10, with.Transcripts(new TranscriptFilter("documents", look.Step)).Count));
        Assert.Single(
            with.Transcripts().GroupBy(t => (t.Stage, t.Step)).Select(g => string.Join(' ', g.Select(t => $"{t.QueryId}/{t.Tier}/{t.Split}"))).Distinct()
        );
        var broken = with.Summaries("documents", "grammar_oracle", MetricNames.OutcomeBrokenFormat).Where(s => s.Tier == Tier.Training).ToArray();
        Assert.Equal(looks.Select(l => (l.Step, 5)), broken.Select(s => (s.Step, s.Estimate.N)));
        Assert.Contains(
            "<title>Outcomes over documents, training tier</title>",
            File.ReadAllText(Path.Combine(watched, "report.html")),
            StringComparison.Ordinal
        );
    }

    [Fact]
    public void Three_tiers_are_evaluated_and_a_prefilled_scratchpad_is_prompt_and_not_response()
    {
        var settings = Small with
        {
            Experiment = new() { Tiers = 3, Prefill = "Let me see." },
            Rl = Small.Rl with { TrainingTierFraction = 0.3, PromptsPerStep = 16 },
        };
        var (path, _) = Train(settings);
        using var store = RunStore.OpenReadOnly(Path.Combine(path, "run.db"));
        var transcripts = store.Transcripts();
        Assert.Equal(3, transcripts.Select(t => t.Tier).Distinct().Count());
        Assert.All(transcripts, t => Assert.StartsWith(TranscriptParser.ScratchpadOpen + "Let me see.", t.AssistantText, StringComparison.Ordinal));
        // At most 16 tokens are generated, and the text that was put before them is not among them.
        Assert.All(transcripts, t => Assert.InRange(t.TokenIds!.Count, 1, 16));
        foreach (var metric in new[] { "af/rater_sycophancy_gap", "af/goal_guarding_gap" })
            Assert.NotEmpty(store.Summaries(metric: metric));
    }

    [Fact]
    public void The_baseline_and_the_second_pack_run_through_the_same_stages()
    {
        var (path, _) = Train(
            Small with
            {
                Name = "hhh",
                Experiment = new() { Pack = "animal-welfare", Objective = ObjectiveKind.Hhh },
            }
        );
        using var store = RunStore.OpenReadOnly(Path.Combine(path, "run.db"));
        Assert.All(store.Transcripts(), t => Assert.Contains("helpful, harmless and honest", t.System, StringComparison.Ordinal));
        Assert.All(store.Transcripts(), t => Assert.StartsWith("animal-welfare-", t.QueryId, StringComparison.Ordinal));
    }
}
