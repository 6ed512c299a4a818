using RlHarness.Core.Errors;
using RlHarness.Core.Runs;
using RlHarness.Recipes.Settings;
using RlHarness.Tracking.Store;
using RlHarness.Training.Optimization;

namespace RlHarness.Recipes.Tests.EndToEnd;

/// <summary>Runs that are stopped, damaged, changed and made longer. Kills of whole processes are the kill loop's (docs/reliability.md).</summary>
[Trait("kind", "slow")]
public sealed class ResumeTests : IDisposable
{
    private readonly DirectoryInfo _root = Directory.CreateTempSubdirectory("rlharness-resume-");

    private RunSettings Small(string name) => TinyRun.Small(_root.FullName) with { Name = name, Cache = false };

    private static string Train(RunSettings settings, QuietProgress? progress = null, CancellationToken stop = default) =>
        new TrainRecipe(progress ?? new(), TimeProvider.System, stop).Start(settings, "test");

    private static string Resume(string path, QuietProgress? progress = null, IReadOnlyList<string>? changes = null, int? from = null) =>
        new TrainRecipe(progress ?? new(), TimeProvider.System, CancellationToken.None).Resume(path, changes, from);

    private string Stopped(RunSettings settings, string stage, string unit, int done)
    {
        using var stop = new CancellationTokenSource();
        var progress = new QuietProgress(
            (s, u, d) =>
            {
                if ((s, u, d) == (stage, unit, done))
                    stop.Cancel();
            }
        );
        Assert.Throws<RunStoppedException>(() => Train(settings, progress, stop.Token));
        return Path.Combine(_root.FullName, settings.Name);
    }

    private static void Same(string expected, string found)
    {
        var (a, b) = (new RunRecord(expected), new RunRecord(found));
        Assert.Equal(a.Metrics, b.Metrics);
        Assert.Equal(a.Transcripts, b.Transcripts);
        foreach (var folder in new[] { "imitate", "reward", "rl/step_000002", "rl/step_000004" })
            Assert.Equal(a.Checkpoint(folder), b.Checkpoint(folder));
        Assert.Equal(["step_000002", "step_000004"], Directory.GetDirectories(Path.Combine(found, "rl")).Select(p => Path.GetFileName(p)).Order());
        Assert.False(Directory.Exists(Path.Combine(found, "progress")));
        Assert.Empty(Directory.GetFileSystemEntries(found, "*.tmp", SearchOption.AllDirectories));
    }

    [Theory]
    [InlineData("imitate", "step", 12, 12)]
    [InlineData("reward", "step", 7, 7)]
    [InlineData("rl", "step", 3, 3)]
    [InlineData("rl", "evaluating step 2", 5, 2)]
    public void A_stage_that_was_stopped_goes_on_from_its_newest_checkpoint(string stage, string unit, int done, int step)
    {
        var whole = Train(Small("whole"));
        var path = Stopped(Small("stopped") with { CheckpointSteps = 5 }, stage, unit, done);
        using (var store = RunStore.OpenReadOnly(Path.Combine(path, "run.db")))
            Assert.Equal("interrupted", store.Stages().Single(s => s.Stage == stage).Status);
        var folder = stage == "rl" ? Path.Combine(path, "rl") : Path.Combine(path, "progress", stage);
        Assert.Equal(step, CheckpointFolder.Newest(folder)!.Value.Step);
        var progress = new QuietProgress();
        Resume(path, progress);
        Assert.Contains($"resumed from step {step}", progress.Notes);
        Same(whole, path);
    }

    /// <summary>
    /// A step asks for the time before its rollouts, between its parts and in its update: a stop at each of these moments keeps the step before.
    /// </summary>
    [Fact]
    public void Wherever_in_a_step_a_run_is_told_to_stop_the_last_step_that_was_finished_is_saved()
    {
        var newest = new List<int>();
        for (var k = 1; k <= 12; k++)
        {
            using var stop = new CancellationTokenSource();
            var settings = Small($"stop{k}") with { Cache = true };
            var clock = new ClockThatStops(k, stop);
            // Step 3 has no checkpoint by the settings, which name 2 and 4.
            var progress = new QuietProgress((stage, unit, done) => clock.Counts |= (stage, unit, done) == ("rl", "step", 3));
            Assert.Throws<RunStoppedException>(() => new TrainRecipe(progress, clock, stop.Token).Start(settings, "test"));
            newest.Add(CheckpointFolder.Newest(Path.Combine(_root.FullName, settings.Name, "rl"))!.Value.Step);
        }

        Assert.All(newest, step => Assert.InRange(step, 3, 4));
        // Stopped in its update, step 4 is finished all the same.
        Assert.Contains(3, newest);
        Assert.Contains(4, newest);
        var path = Path.Combine(_root.FullName, $"stop{1 + newest.IndexOf(4)}");
        Resume(path);
        Same(Train(Small("whole") with { Cache = true }), path);
    }

    /// <summary>Cancels when it is asked for the time for the k-th time since it counts.</summary>
    private sealed class ClockThatStops(int k, CancellationTokenSource stop) : TimeProvider
    {
        private int _asked;

        internal bool Counts { get; set; }

        public override long GetTimestamp()
        {
            if (Counts && ++_asked == k)
                stop.Cancel();
            return base.GetTimestamp();
        }
    }

    [Fact]
    public void An_evaluation_that_was_stopped_samples_only_the_parts_that_are_missing()
    {
        // Two places, so that sixteen answers are two parts, in files at each answer, as if one took minutes.
        var settings = Small("parts") with { CheckpointMinutes = 1e-9 };
        settings = settings with { Evaluate = settings.Evaluate with { BatchSize = 2 } };
        var path = Stopped(settings, "rl", "evaluating step 2", 10);
        var file = Path.Combine(path, "progress", "evaluate", "evaluate.json");
        Assert.True(File.Exists(file));
        int[] sampled = [0];
        var progress = new QuietProgress((_, unit, _) => sampled[0] += unit == "evaluating step 2" ? 1 : 0);
        Resume(path, progress);
        var all = settings.Evaluate.Queries * 2;
        var said = progress.Notes.Single(n => n.EndsWith($" of {all} answers were sampled before", StringComparison.Ordinal));
        var before = int.Parse(said.Split(' ')[0], System.Globalization.CultureInfo.InvariantCulture);
        Assert.InRange(before, 10, all - 1);
        // Of a part that was not whole each answer is sampled again.
        Assert.InRange(sampled[0], all - before, all - 8);
        Assert.False(Directory.Exists(Path.Combine(path, "progress")));
        Same(Train(settings with { Name = "whole" }), path);
    }

    [Theory]
    [InlineData("cut")]
    [InlineData("of other weights")]
    public void Answers_that_can_t_be_used_again_are_sampled_anew(string how)
    {
        var settings = Small("parts") with { CheckpointMinutes = 1e-9 };
        var path = Stopped(settings, "rl", "evaluating step 2", 5);
        var file = Path.Combine(path, "progress", "evaluate", "evaluate.json");
        var text = File.ReadAllText(file);
        File.WriteAllText(file, how == "cut" ? text[..(text.Length / 2)] : text.Replace("\"key\":\"", "\"key\":\"0", StringComparison.Ordinal));
        var progress = new QuietProgress();
        Resume(path, progress);
        Assert.DoesNotContain(progress.Notes, n => n.EndsWith("were sampled before", StringComparison.Ordinal));
        Assert.Equal(how == "cut", progress.Notes.Any(n => n.StartsWith("an evaluation is made whole", StringComparison.Ordinal)));
        Assert.False(Directory.Exists(Path.Combine(path, "progress")));
    }

    [Fact]
    public void Checkpoints_by_minutes_are_written_and_go_when_a_newer_one_is_sealed()
    {
        var seen = new SortedSet<string>(StringComparer.Ordinal);
        var settings = Small("minutes") with { CheckpointMinutes = 1e-9 };
        var progress = new QuietProgress(
            (stage, _, _) =>
            {
                var folder = Path.Combine(_root.FullName, "minutes", stage == "rl" ? "rl" : $"progress/{stage}");
                foreach (var step in CheckpointFolder.Steps(folder))
                    seen.Add($"{stage} {step}");
            }
        );
        var path = Train(settings, progress);
        Assert.Superset(new HashSet<string> { "imitate 1", "imitate 2", "imitate 9", "reward 3", "rl 1", "rl 3" }, seen);
        Same(Train(Small("whole")), path);
        Assert.Contains(progress.Notes, n => n.Contains("so a signal is obeyed within about", StringComparison.Ordinal));
    }

    [Fact]
    public void A_damaged_newest_checkpoint_is_named_and_the_run_goes_on_from_the_intact_one()
    {
        var whole = Train(Small("whole"));
        var path = Train(Small("damaged"));
        var weights = Path.Combine(path, "rl", "step_000004", "model.safetensors");
        using (var file = new FileStream(weights, FileMode.Open))
            file.SetLength(file.Length - 7);
        var error = Assert.Throws<HarnessException>(() => Resume(path));
        Assert.Equal(ErrorKind.BadFile, error.Kind);
        Assert.Contains("step_000004", error.Message, StringComparison.Ordinal);
        Assert.Contains("--from 2", error.Message, StringComparison.Ordinal);
        error = Assert.Throws<HarnessException>(() => Reading.RunModel.Open(path, TorchSharp.torch.CPU, TorchSharp.torch.ScalarType.Float32));
        Assert.Contains("--from 2", error.Message, StringComparison.Ordinal);
        using (var opened = Reading.RunModel.Open(path, TorchSharp.torch.CPU, TorchSharp.torch.ScalarType.Float32, from: 2))
            Assert.Equal(2, opened.Step);
        Resume(path, from: 2);
        Same(whole, path);
    }

    [Fact]
    public void A_run_with_a_constant_learning_rate_is_made_longer_and_is_the_long_run()
    {
        static RunSettings Constant(RunSettings s, int steps)
        {
            var optimizer = s.Rl.Optimizer with { Schedule = ScheduleKind.Constant };
            return s with { Rl = s.Rl with { Steps = steps, KlTarget = null, KlHorizon = new RlSettings().KlHorizon, Optimizer = optimizer } };
        }

        var whole = Train(Constant(Small("whole"), 4));
        var path = Train(Constant(Small("short"), 2));
        var before = File.ReadAllText(Path.Combine(path, "config.yaml"));
        var error = Assert.Throws<HarnessException>(() => Resume(path, changes: ["rl.steps=4", "rl.clip_range=0.3", "seed=2"]));
        Assert.Equal(ErrorKind.BadInput, error.Kind);
        Assert.Contains("keeps these settings: rl.clip_range, seed", error.Message, StringComparison.Ordinal);
        Assert.Equal(before, File.ReadAllText(Path.Combine(path, "config.yaml")));
        Resume(path, changes: ["rl.steps=4"]);
        Assert.Equal(before.Replace("  steps: 2\n", "  steps: 4\n", StringComparison.Ordinal), File.ReadAllText(Path.Combine(path, "config.yaml")));
        Same(whole, path);
        error = Assert.Throws<HarnessException>(() => Resume(path, changes: ["rl.steps=3"]));
        Assert.Contains("the run is further than that", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_falling_learning_rate_forbids_a_longer_run_and_says_so()
    {
        var path = Stopped(Small("falling"), "rl", "step", 1);
        var error = Assert.Throws<HarnessException>(() => Resume(path, changes: ["rl.steps=9"]));
        Assert.Equal(ErrorKind.BadInput, error.Kind);
        Assert.Contains("rl.optimizer.schedule is linear over 4 steps", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("config.yaml", "seed: 1", "seed: 2")]
    [InlineData("config.yaml", "seed: 1", "seed: 1 # mine")]
    [InlineData("run.json", "\"command\": \"test\"", "\"command\": \"best\"")]
    public void A_file_of_the_run_that_was_changed_is_noticed(string file, string from, string to)
    {
        var path = Stopped(Small("changed"), "imitate", "step", 1);
        var text = File.ReadAllText(Path.Combine(path, file));
        File.WriteAllText(Path.Combine(path, file), text.Replace(from, to, StringComparison.Ordinal));
        var error = Assert.Throws<HarnessException>(() => Resume(path));
        Assert.Equal(ErrorKind.BadFile, error.Kind);
        Assert.Contains($"{file}: the file was changed or cut", error.Message, StringComparison.Ordinal);
        File.WriteAllText(Path.Combine(path, file), text);
        Resume(path);
    }

    [Fact]
    public void A_store_that_is_missing_or_damaged_stops_a_resume_and_nothing_is_written_over()
    {
        var path = Train(Small("store") with { Stages = ["corpus", "imitate"], Rl = new(), Reward = new(), Evaluate = new() });
        var (store, report) = (Path.Combine(path, "run.db"), File.ReadAllText(Path.Combine(path, "report.html")));
        var bytes = File.ReadAllBytes(store);
        void Fails(string said)
        {
            var error = Assert.Throws<HarnessException>(() => Resume(path));
            Assert.Equal(ErrorKind.BadFile, error.Kind);
            Assert.Contains(said, error.Message, StringComparison.Ordinal);
            error = Assert.Throws<HarnessException>(() => RlHarness.Recipes.Reporting.RunReport.Write(path));
            Assert.Equal(ErrorKind.BadFile, error.Kind);
            Assert.Equal(report, File.ReadAllText(Path.Combine(path, "report.html")));
        }

        File.Delete(store);
        Fails("run.db");
        Assert.False(File.Exists(store));
        // Cut in the middle: half of its pages are not there.
        File.WriteAllBytes(store, bytes[..(bytes.Length / 2)]);
        Fails("run.db");
        Assert.Equal(bytes.Length / 2, new FileInfo(store).Length);
        var damaged = bytes.ToArray();
        // Pages behind the first hold the tables.
        Array.Fill(damaged, (byte)0x5A, 4096, 3 * 4096);
        File.WriteAllBytes(store, damaged);
        Fails("run.db");
        File.WriteAllBytes(store, bytes);
        Resume(path);
    }

    [Fact]
    public void A_job_that_is_started_again_goes_on_and_sees_a_finished_run_and_other_settings()
    {
        var settings = Small("job");
        var recipe = new TrainRecipe(new QuietProgress(), TimeProvider.System, CancellationToken.None);
        Stopped(settings, "rl", "step", 2);
        var progress = new QuietProgress();
        var path = new TrainRecipe(progress, TimeProvider.System, CancellationToken.None).StartOrResume(settings, "test");
        Assert.Contains("resumed from step 2", progress.Notes);
        Same(Train(Small("whole")), path);
        var logs = Directory.GetFiles(Path.Combine(path, "logs")).Length;
        Assert.Equal(path, recipe.StartOrResume(settings, "test"));
        Assert.Equal(logs + 1, Directory.GetFiles(Path.Combine(path, "logs")).Length);
        var error = Assert.Throws<HarnessException>(() => recipe.StartOrResume(settings with { Seed = 9 }, "test"));
        Assert.Equal(ErrorKind.RunFolder, error.Kind);
        Assert.Contains("seed=9 was given", error.Message, StringComparison.Ordinal);
        // Processes were killed right after they began a store, and right after they made the folder.
        var blank = Train(Small("blank") with { Stages = ["corpus"], Imitate = new(), Rl = new(), Reward = new(), Evaluate = new() });
        Directory.Delete(Path.Combine(blank, "corpus"), recursive: true);
        File.WriteAllText(Path.Combine(blank, "run.db"), "");
        Resume(blank);
        File.WriteAllText(Path.Combine(blank, "run.db"), "");
        error = Assert.Throws<HarnessException>(() => Resume(blank));
        Assert.Contains("a database without tables", error.Message, StringComparison.Ordinal);
        Directory.CreateDirectory(Path.Combine(_root.FullName, "unborn"));
        File.WriteAllText(Path.Combine(_root.FullName, "unborn", "config.yaml"), "na");
        var born = recipe.StartOrResume(Small("unborn") with { Stages = ["corpus"], Imitate = new(), Rl = new(), Reward = new(), Evaluate = new() }, "test");
        Assert.Equal(Path.Combine(_root.FullName, "unborn"), born);
    }

    [Fact]
    public void Every_kth_checkpoint_and_the_best_stay_beside_the_newest()
    {
        var settings = Small("kept");
        var rl = settings.Rl with { Steps = 6, CheckpointEvery = 1, KeepCheckpoints = 1, KeepEvery = 2, KeepBest = "objective/scores" };
        var path = Train(settings with { Rl = rl });
        using var store = RunStore.OpenReadOnly(Path.Combine(path, "run.db"));
        // The best of those that were there when it was decided: the first highest of all, which no later one exceeds.
        var best = store.Series("rl", "objective/scores").Where(v => v.Step > 0).OrderByDescending(v => v.Value).ThenBy(v => v.Step).First().Step;
        Assert.Equal(new[] { 2, 4, 6, (int)best }.Distinct().Order(), CheckpointFolder.Steps(Path.Combine(path, "rl")));
    }

    [Fact]
    public void A_run_that_diverges_stops_keeps_its_last_checkpoint_and_batch_apart_and_goes_on_when_told_to()
    {
        var settings = Small("diverges") with { CheckpointSteps = 3, Stages = ["corpus", "imitate"], Rl = new(), Reward = new(), Evaluate = new() };
        settings = settings with
        {
            Imitate = settings.Imitate with
            {
                Epochs = 1,
                Optimizer = new() { LearningRate = 1, MaxGradNorm = null },
            },
        };
        var error = Assert.Throws<HarnessException>(() => Train(settings));
        Assert.Equal(ErrorKind.Numerics, error.Kind);
        Assert.Contains("loss/imitation is", error.Message, StringComparison.Ordinal);
        Assert.Contains("usual causes: optimizer.learning_rate too high", error.Message, StringComparison.Ordinal);
        var path = Path.Combine(_root.FullName, "diverges");
        var kept = Path.Combine(path, "alarms", "imitate");
        Assert.True(File.Exists(Path.Combine(kept, "batch_000010.json")));
        CheckpointFolder.Verify(Path.Combine(kept, "step_000009"));
        using (var store = RunStore.OpenReadOnly(Path.Combine(path, "run.db")))
            Assert.Single(store.Events(), e => e.Level == "warning" && e.Message.Contains("alarms.loss_above_guessing", StringComparison.Ordinal));
        Resume(path, changes: ["alarms.loss_above_guessing=warn"]);
        using (var store = RunStore.OpenReadOnly(Path.Combine(path, "run.db")))
            Assert.Contains(store.Events(), e => e.Level == "warning" && e.Message.Contains("alarms.loss_above_guessing", StringComparison.Ordinal));
        Assert.Contains("Numbers that went wrong", File.ReadAllText(Path.Combine(path, "report.html")), StringComparison.Ordinal);
    }

    public void Dispose() => _root.Delete(recursive: true);
}
