using RlHarness.Core.Errors;
using RlHarness.Core.Runs;
using RlHarness.Recipes.Settings;
using RlHarness.Tracking.Store;

namespace RlHarness.Recipes.Tests.EndToEnd;

/// <summary>Whole runs, small but real: they train, are stopped, go on, and are compared bit by bit.</summary>
[Trait("kind", "slow")]
public sealed class SmallRunTests(SmallRunTests.Whole whole, ITestOutputHelper output) : IClassFixture<SmallRunTests.Whole>
{
    /// <summary>A run from beginning to end, and the root that its cache is in.</summary>
    public sealed class Whole : IDisposable
    {
        public Whole()
        {
            var progress = new QuietProgress();
            Path = new TrainRecipe(progress, TimeProvider.System, CancellationToken.None).Start(TinyRun.Small(Root.FullName), "test");
            Results = progress.Results;
            Notes = progress.Notes;
        }

        public DirectoryInfo Root { get; } = Directory.CreateTempSubdirectory("rlharness-whole-");

        public string Path { get; }

        public IReadOnlyDictionary<string, string> Results { get; }

        public IReadOnlyList<string> Notes { get; }

        public void Dispose() => Root.Delete(recursive: true);
    }

    [Fact]
    public void A_run_writes_all_that_it_promises_and_its_first_ratio_is_exact()
    {
        foreach (
            var file in new[]
            {
                "run.json",
                "config.yaml",
                "run.db",
                "metrics.jsonl",
                "report.html",
                "corpus/transcripts.jsonl",
                "imitate/model.safetensors",
                "imitate/tokenizer.json",
                "reward/model.safetensors",
                "rl/step_000004/critic/model.safetensors",
                "logs/attempt_1.jsonl",
                "rl/latest",
            }
        )
            Assert.True(new FileInfo(Path.Combine(whole.Path, file)) is { Exists: true, Length: > 0 }, file);
        Assert.Equal("step_000004", File.ReadAllText(Path.Combine(whole.Path, "rl", "latest")).Trim());
        foreach (var folder in new[] { "imitate", "reward", "rl/step_000002", "rl/step_000004" })
            CheckpointFolder.Verify(Path.Combine(whole.Path, folder));
        var record = new RunRecord(whole.Path);
        for (var step = 1; step <= 4; step++)
        {
            Assert.Equal(0, record.Metric("rl", step, "val/first_ratio_deviation"));
            Assert.InRange(record.Metric("rl", step, "val/rollout_logprob_deviation"), 0, 1e-4);
            Assert.Equal(8 * step, record.Metric("rl", step, "episode"));
        }

        Assert.Equal(0, record.Metric("rl", 1, "objective/kl"), 1e-3);
        Assert.NotEqual(0, record.Metric("rl", 4, "objective/kl"));
        using var store = RunStore.OpenReadOnly(Path.Combine(whole.Path, "run.db"));
        // 8 queries in 2 tiers at steps 0, 2, 4; 8 prompts at each of 4 steps
        Assert.Equal([16L, 8, 24, 8, 24], store.TranscriptCounts().Where(c => c.Stage == "rl").OrderBy(c => c.Step).Select(c => (long)c.Count));
        Assert.All(store.Stages(), s => Assert.Equal("done", s.Status));
        Assert.Empty(Directory.GetFileSystemEntries(whole.Root.FullName, "*.tmp", SearchOption.AllDirectories));
    }

    [Fact]
    public void A_rollout_that_the_update_does_not_agree_with_is_warned_of()
    {
        Assert.DoesNotContain(whole.Notes, n => n.Contains("differ by", StringComparison.Ordinal));
        var progress = new QuietProgress();
        // fp32 rounds at about 1e-7 of a log-probability: no two kernels agree to 1e-12 at every token
        var settings = TinyRun.Small(whole.Root.FullName) with { Name = "warned" };
        var path = new TrainRecipe(progress, TimeProvider.System, CancellationToken.None).Start(
            settings with
            {
                Rl = settings.Rl with { Steps = 1, MaxRolloutLogprobDeviation = 1e-12 },
            },
            "test"
        );
        Assert.Contains(progress.Notes, n =>
            n.StartsWith("step 1: log-probabilities of rollout and update differ by", StringComparison.Ordinal)
            && n.Contains("rl.max_rollout_logprob_deviation", StringComparison.Ordinal)
        );
        using var store = RunStore.OpenReadOnly(Path.Combine(path, "run.db"));
        Assert.Contains(store.Events(), e => e.Level == "warning" && e.Message.StartsWith("step 1:", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData(false, null, 1e-3)]
    [InlineData(true, null, 0.5)]
    [InlineData(true, 0.3, 0.3)]
    public void The_bound_follows_the_precision_unless_it_is_set(bool bfloat16, double? set, double bound) =>
        Assert.Equal(bound, new RlSettings { MaxRolloutLogprobDeviation = set }.RolloutLogprobBound(bfloat16));

    [Theory]
    [InlineData("rl", "step", 3)]
    [InlineData("rl", "step", 1)]
    [InlineData("rl", "evaluating step 2", 5)]
    [InlineData("rl", "evaluating step 4", 5)]
    [InlineData("imitate", "step", 12)]
    [InlineData("reward", "step", 7)]
    public void A_run_that_was_stopped_and_resumed_is_bit_for_bit_the_run_that_was_not(string stage, string unit, int done)
    {
        using var root = new Root();
        using var stop = new CancellationTokenSource();
        var progress = new QuietProgress(
            (s, u, d) =>
            {
                if (s == stage && u == unit && d == done)
                    stop.Cancel();
            }
        );
        Assert.ThrowsAny<OperationCanceledException>(() => new TrainRecipe(progress, TimeProvider.System, stop.Token).Start(TinyRun.Small(root.Path), "test"));
        Assert.DoesNotContain("rl", progress.Results.Keys);
        var again = new QuietProgress();
        var path = new TrainRecipe(again, TimeProvider.System, CancellationToken.None).Resume(Path.Combine(root.Path, "small"));
        output.WriteLine(string.Join("; ", again.Notes.Take(1)));
        if (stage == "rl")
            Assert.Equal("kept from before", again.Results["imitate"]);
        Same(new RunRecord(whole.Path), new RunRecord(path));
    }

    [Fact]
    public void The_same_seed_gives_the_same_run_and_another_seed_another()
    {
        using var root = new Root();
        var settings = TinyRun.Small(root.Path) with { Cache = false };
        string Run(RunSettings s) => new TrainRecipe(new QuietProgress(), TimeProvider.System, CancellationToken.None).Start(s, "test");
        Same(new RunRecord(whole.Path), new RunRecord(Run(settings)));
        var other = new RunRecord(Run(settings with { Seed = 2 }));
        Assert.EndsWith("small-2", other.Path, StringComparison.Ordinal);
        Assert.NotEqual(new RunRecord(whole.Path).Transcripts, other.Transcripts);
        Assert.NotEqual(new RunRecord(whole.Path).Checkpoint("imitate"), other.Checkpoint("imitate"));
        Assert.NotEqual(new RunRecord(whole.Path).Metrics[^1], other.Metrics[^1]);
    }

    [Fact]
    public void A_second_run_reuses_imitation_and_reward_model_and_says_so()
    {
        var progress = new QuietProgress();
        var settings = TinyRun.Small(whole.Root.FullName) with { Name = "second" };
        var path = new TrainRecipe(progress, TimeProvider.System, CancellationToken.None).Start(settings, "test");
        Assert.StartsWith("reused from the cache", progress.Results["imitate"], StringComparison.Ordinal);
        Assert.StartsWith("reused from the cache", progress.Results["reward"], StringComparison.Ordinal);
        Assert.DoesNotContain("reused", whole.Results["imitate"], StringComparison.Ordinal);
        Assert.Equal(new RunRecord(whole.Path).Transcripts, new RunRecord(path).Transcripts);
        Assert.Equal(new RunRecord(whole.Path).Checkpoint("rl/step_000004"), new RunRecord(path).Checkpoint("rl/step_000004"));
        Assert.Equal(new RunRecord(whole.Path).Metrics.Where(l => l.StartsWith("\"stage\":\"rl\"", StringComparison.Ordinal)), new RunRecord(path).Metrics);
    }

    /// <summary>The witness is the run that trained all of it: RL that starts from its folders is that run's RL, bit for bit.</summary>
    [Theory]
    [InlineData("rl")]
    [InlineData("reward", "rl")]
    [InlineData("imitate", "reward", "rl")]
    public void Rl_on_a_model_that_is_tuned_already_is_the_rl_of_the_run_that_tuned_it(params string[] stages)
    {
        var settings = TinyRun.Small(whole.Root.FullName);
        settings = settings with
        {
            Name = "tuned-" + stages.Length,
            Stages = stages,
            Cache = false,
            Model = new() { Path = Path.Combine(whole.Path, "imitate") },
            // Weights that are kept as they are.
            Imitate = settings.Imitate with
            {
                Epochs = stages[0] == "imitate" ? 0 : 1,
            },
            Reward = settings.Reward with { Path = stages.Contains("reward") ? null : Path.Combine(whole.Path, "reward") },
        };
        Assert.Empty(SettingsChecks.Of(settings));
        var progress = new QuietProgress();
        var path = new TrainRecipe(progress, TimeProvider.System, CancellationToken.None).Start(settings, "test");
        Assert.Equal(stages.Length > 1, progress.Results.ContainsKey("corpus"));
        var (expected, found) = (new RunRecord(whole.Path), new RunRecord(path));
        Assert.Equal(expected.Transcripts, found.Transcripts);
        Assert.Equal(expected.Checkpoint("rl/step_000004"), found.Checkpoint("rl/step_000004"));
        static IEnumerable<string> Rl(RunRecord r) => r.Metrics.Where(l => l.StartsWith("\"stage\":\"rl\"", StringComparison.Ordinal));
        Assert.Equal(Rl(expected), Rl(found));
        Assert.True(File.Exists(Path.Combine(path, "report.html")));
        // What was trained is found again, without an imitating model in the folder.
        using var newest = Reading.RunModel.Open(path, TorchSharp.torch.CPU, TorchSharp.torch.float32);
        Assert.Equal(4, newest.Step);
    }

    [Fact]
    public void A_run_that_starts_from_a_model_of_elsewhere_does_not_go_on_from_another()
    {
        using var root = new Root();
        var model = Path.Combine(root.Path, "model");
        Directory.CreateDirectory(model);
        foreach (var file in Directory.GetFiles(Path.Combine(whole.Path, "imitate")))
            File.Copy(file, Path.Combine(model, Path.GetFileName(file)));
        var settings = TinyRun.Small(root.Path);
        settings = settings with
        {
            Stages = ["rl"],
            Model = new() { Path = model },
            Reward = settings.Reward with { Path = Path.Combine(whole.Path, "reward") },
        };
        using var stop = new CancellationTokenSource();
        var progress = new QuietProgress(
            (stage, unit, done) =>
            {
                if (stage == "rl" && unit == "step" && done == 3)
                    stop.Cancel();
            }
        );
        Assert.ThrowsAny<OperationCanceledException>(() => new TrainRecipe(progress, TimeProvider.System, stop.Token).Start(settings, "test"));
        var weights = Path.Combine(model, "model.safetensors");
        var bytes = File.ReadAllBytes(weights);
        bytes[^1] ^= 1;
        File.WriteAllBytes(weights, bytes);
        string Resume() => new TrainRecipe(new QuietProgress(), TimeProvider.System, CancellationToken.None).Resume(Path.Combine(root.Path, "small"));
        Assert.Contains("the model that this run started from was changed", Assert.Throws<HarnessException>(Resume).Message, StringComparison.Ordinal);
        bytes[^1] ^= 1;
        File.WriteAllBytes(weights, bytes);
        Assert.Equal(new RunRecord(whole.Path).Checkpoint("rl/step_000004"), new RunRecord(Resume()).Checkpoint("rl/step_000004"));
    }

    [Theory]
    [InlineData("adapter")]
    [InlineData("head")]
    [InlineData("joint")]
    [InlineData("bfloat16")]
    [InlineData("imitation adapter")]
    [InlineData("scenarios")]
    public void Variants_run_are_stopped_and_resumed_bit_for_bit(string variant)
    {
        using var root = new Root();
        var settings = TinyRun.Small(root.Path) with { Cache = variant is "adapter" or "head" or "joint" };
        settings = variant switch
        {
            "adapter" => settings with
            {
                Rl = settings.Rl with
                {
                    Adapter = new() { Rank = 4, Alpha = 8 },
                },
            },
            "head" => settings with { Rl = settings.Rl with { Critic = CriticKind.Head, SamplesPerPrompt = 2, TrainingTierFraction = 0.5 } },
            // Seven episodes in two minibatches: four and three.
            "joint" => settings with { Rl = settings.Rl with { JointOptimizer = true, DualClip = 3, WhitenAdvantages = false, PromptsPerStep = 7 } },
            "bfloat16" => settings with { Model = settings.Model with { Precision = "bfloat16" } },
            "scenarios" => settings with
            {
                Corpus = settings.Corpus with { AntiLabFraction = 0.2, PreferencesFraction = 0.1 },
                Evaluate = settings.Evaluate with { AntiLab = 2, Preferences = 2 },
            },
            _ => settings with
            {
                Imitate = settings.Imitate with
                {
                    Adapter = new()
                    {
                        Rank = 4,
                        Alpha = 8,
                        TargetModules = ["q_proj", "v_proj"],
                    },
                },
            },
        };
        var path = new TrainRecipe(new QuietProgress(), TimeProvider.System, CancellationToken.None).Start(settings, "test");
        var record = new RunRecord(path);
        for (var step = 1; step <= 4; step++)
            Assert.Equal(0, record.Metric("rl", step, "val/first_ratio_deviation"));
        if (variant == "adapter")
        {
            Assert.Equal(0, record.Metric("rl", 1, "objective/kl"));
            Assert.True(File.Exists(Path.Combine(path, "rl", "step_000004", "adapter_model.safetensors")));
        }

        using var stop = new CancellationTokenSource();
        var progress = new QuietProgress(
            (s, u, d) =>
            {
                if (s == "rl" && u == "step" && d == 3)
                    stop.Cancel();
            }
        );
        Assert.ThrowsAny<OperationCanceledException>(() =>
            new TrainRecipe(progress, TimeProvider.System, stop.Token).Start(settings with { Name = "stopped" }, "test")
        );
        var resumed = new TrainRecipe(new QuietProgress(), TimeProvider.System, CancellationToken.None).Resume(Path.Combine(root.Path, "stopped"));
        Assert.Equal(record.Transcripts, new RunRecord(resumed).Transcripts);
        // Shifts are measured from what the run had written before it was stopped.
        if (variant == "scenarios")
            Assert.Equal(
                record.Metric("rl", 4, "antilab/unreadable_shift/exfiltration/easy/training/scenario_cues/hi"),
                new RunRecord(resumed).Metric("rl", 4, "antilab/unreadable_shift/exfiltration/easy/training/scenario_cues/hi")
            );
        Assert.Equal(record.Checkpoint("rl/step_000004"), new RunRecord(resumed).Checkpoint("rl/step_000004"));
    }

    private static void Same(RunRecord expected, RunRecord got)
    {
        Assert.Equal(expected.Metrics, got.Metrics);
        Assert.Equal(expected.Transcripts, got.Transcripts);
        foreach (var folder in new[] { "imitate", "reward", "rl/step_000002", "rl/step_000004" })
            Assert.Equal(expected.Checkpoint(folder), got.Checkpoint(folder));
    }

    private sealed class Root : IDisposable
    {
        private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("rlharness-e2e-");

        public string Path => _folder.FullName;

        public void Dispose() => _folder.Delete(recursive: true);
    }
}
