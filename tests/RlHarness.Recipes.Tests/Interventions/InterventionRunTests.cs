using RlHarness.Core.Settings;
using RlHarness.Models.Loading;
using RlHarness.Recipes.Settings;
using RlHarness.Recipes.Tests.EndToEnd;
using RlHarness.Training.Algorithms;
using TorchSharp;

namespace RlHarness.Recipes.Tests.Interventions;

/// <summary>Small runs with interventions and algorithms, whole.</summary>
[Trait("kind", "slow")]
public sealed class InterventionRunTests : IDisposable
{
    private readonly DirectoryInfo _root = Directory.CreateTempSubdirectory("rlharness-interventions-");

    public void Dispose() => _root.Delete(recursive: true);

    private RunRecord Run(string name, params string[] overrides)
    {
        var settings = TinyRun.Small(_root.FullName) with { Name = name, Rl = TinyRun.Small("").Rl with { Steps = 2, KlTarget = null, KlHorizon = 500 } };
        settings = SettingsReader.Parse<RunSettings>("run", SettingsWriter.ToYaml(settings), overrides);
        return new RunRecord(new TrainRecipe(new QuietProgress(), TimeProvider.System, CancellationToken.None).Start(settings, "test"));
    }

    private string Folder(string name) => Path.Combine(_root.FullName, name);

    [Fact]
    public void A_monitor_that_flags_everything_leaves_nothing_to_learn_from()
    {
        // From threshold 0 on every response is flagged, so that no step updates and the policy stays the imitating model, bit for bit.
        var record = Run("all", "rl.monitors=[{detector: keyword, threshold: 0, action: screen}]");
        Assert.Equal(1, record.Metric("rl", 1, "monitor/screened"));
        Assert.Equal(1, record.Metric("rl", 1, "monitor/keyword/flagged"));
        Assert.DoesNotContain(record.Metrics, m => m.Contains("loss/policy_avg", StringComparison.Ordinal));
        using var before = ModelLoader.Load(Path.Combine(Folder("all"), "imitate"), torch.CPU);
        using var after = ModelLoader.Load(Path.Combine(Folder("all"), "rl", "step_000002"), torch.CPU);
        Assert.Equal(before.Decoder.Parameters.Data.data<float>().ToArray(), after.Decoder.Parameters.Data.data<float>().ToArray());
    }

    [Fact]
    public void A_monitor_that_flags_nothing_or_only_counts_changes_no_weight()
    {
        Run("plain");
        Run("none", "rl.monitors=[{detector: {kind: degraded_oracle, sensitivity: 0}, action: screen}]");
        var counted = Run("alarm", "rl.monitors=[{detector: keyword, threshold: 0, action: alarm}]");
        Assert.Equal(1, counted.Metric("rl", 1, "monitor/keyword/flagged"));
        Assert.Equal(0, counted.Metric("rl", 1, "monitor/keyword/penalty"));
        Assert.Equal(0, counted.Metric("rl", 1, "monitor/keyword/tokens_per_verdict"));
        Assert.Contains(
            "<h2>Monitors of training, against the truth</h2>",
            File.ReadAllText(Path.Combine(Folder("alarm"), "report.html")),
            StringComparison.Ordinal
        );
        foreach (var other in new[] { "none", "alarm" })
            Assert.Equal(
                File.ReadAllBytes(Path.Combine(Folder("plain"), "rl", "step_000002", "model.safetensors")),
                File.ReadAllBytes(Path.Combine(Folder(other), "rl", "step_000002", "model.safetensors"))
            );
    }

    [Fact]
    public void A_penalty_is_in_the_score_and_in_the_rewards_of_each_rollout()
    {
        var plain = Run("plain");
        // From threshold 0 on every response is flagged: each loses 3.
        var record = Run("penalty", "rl.monitors=[{detector: keyword, threshold: 0, weight: 3}]");
        Assert.Equal(3, record.Metric("rl", 1, "monitor/keyword/penalty"), 12);
        Assert.Equal(-3, record.Metric("rl", 1, "reward/monitors"), 12);
        // The first step's rollouts are the same, so that their scores differ by the penalty alone.
        Assert.Equal(plain.Metric("rl", 1, "objective/scores") - 3, record.Metric("rl", 1, "objective/scores"), 9);
    }

    [Theory]
    [InlineData(AlgorithmKind.Grpo)]
    [InlineData(AlgorithmKind.Rloo)]
    [InlineData(AlgorithmKind.ReinforcePlusPlus)]
    public void An_algorithm_without_a_critic_runs_and_writes_none(AlgorithmKind algorithm)
    {
        var name = SettingNames.Snake(algorithm.ToString());
        var record = Run(name, $"rl.algorithm={name}", "rl.samples_per_prompt=3", "rl.prompts_per_step=4");
        Assert.Equal(0, record.Metric("rl", 1, "val/first_ratio_deviation"));
        Assert.True(record.Metric("rl", 1, "actor/grad_norm") > 0);
        Assert.DoesNotContain(record.Metrics, m => m.Contains("loss/value_avg", StringComparison.Ordinal));
        Assert.False(Directory.Exists(Path.Combine(Folder(name), "rl", "step_000002", "critic")));
    }

    [Fact]
    public void Training_ends_at_the_evaluation_that_a_rule_names_and_stays_ended()
    {
        // Every rate is at least 0, so that the first evaluation after a step ends the stage.
        var record = Run("stops", "rl.steps=4", "evaluate.every=2", "rl.stop_when=outcome/comply/training >= 0");
        Assert.Equal(4, record.Metrics.Count(m => m.StartsWith("\"stage\":\"rl\"", StringComparison.Ordinal)) + 1);
        Assert.True(Directory.Exists(Path.Combine(Folder("stops"), "rl", "step_000002")));
        new TrainRecipe(new QuietProgress(), TimeProvider.System, CancellationToken.None).Resume(Folder("stops"));
        Assert.Equal(record.Metrics, new RunRecord(Folder("stops")).Metrics);
    }

    [Fact]
    public void Inoculation_is_in_the_rollouts_and_gone_in_evaluations()
    {
        Run("inoculated", "rl.inoculation=Today it is fine.");
        using var store = Tracking.Store.RunStore.OpenReadOnly(Path.Combine(Folder("inoculated"), "run.db"));
        var rows = store.Transcripts(new("rl", 2)).ToArray();
        Assert.All(rows, r => Assert.Equal(r.Split == Experiment.Prompts.Split.Train, r.System.EndsWith("\n\nToday it is fine.", StringComparison.Ordinal)));
        Assert.Equal(2, rows.Select(r => r.Split).Distinct().Count());
    }
}
