using RlHarness.Core.Errors;
using RlHarness.Core.Files;
using RlHarness.Core.Runs;
using RlHarness.Core.Settings;
using RlHarness.Formats.Files;
using RlHarness.Recipes.Detectors;
using RlHarness.Recipes.Settings;
using RlHarness.Tracking.Store;
using RlHarness.Training.Optimization;

namespace RlHarness.Recipes.Running;

/// <summary>What may change of a run that has begun, and how a change that nobody gave to `resume` is noticed.</summary>
internal static class RunChanges
{
    /// <summary>Settings that no number of the run depends on, besides the number of RL steps.</summary>
    private static readonly string[] Free =
    [
        "checkpoint_minutes",
        "checkpoint_steps",
        "rl.checkpoint_every",
        "rl.keep_checkpoints",
        "rl.keep_every",
        "rl.keep_best",
        "cache",
        "shard_optimizer",
        "tracking",
        "tracking.tensorboard",
    ];

    /// <summary>Settings that say who a run is and where it runs; they change its numbers by rounding, or make it another sample.</summary>
    private static readonly string[] Own = ["seed", "name", "output", "date", "device", "threads", "kernels", "rl.rollout_batch_size", "evaluate.batch_size"];

    private const string Steps = "rl.steps";

    /// <summary>Whether runs that differ in this setting are runs of two experiments, and not two samples of one.</summary>
    internal static bool ChangesNumbers(string key) =>
        !Free.Contains(key)
        && !Own.Contains(key)
        && !key.StartsWith("alarms.", StringComparison.Ordinal)
        && !key.EndsWith(".micro_batch_tokens", StringComparison.Ordinal);

    /// <summary>The run's settings with the changes, which are written to its config.yaml.</summary>
    /// <exception cref="HarnessException">A setting may not change, or the schedule does not let the run be made longer.</exception>
    internal static RunSettings Apply(RunFolder folder, IReadOnlyList<string> changes)
    {
        static IEnumerable<SettingsProblem> Check(RunSettings s, WrittenSettings _) => SettingsChecks.Of(s);
        var before = SettingsReader.Read<RunSettings>(folder.Config, [], Check);
        if (changes.Count == 0)
            return before;
        var after = SettingsReader.Read<RunSettings>(folder.Config, changes, Check);
        var changed = ChangedKeys.Of(after, before);
        if (changed.Keys.Where(k => k != Steps && !Free.Contains(k) && !k.StartsWith("alarms.", StringComparison.Ordinal)).ToArray() is { Length: > 0 } refused)
            throw new HarnessException(
                ErrorKind.BadInput,
                $"{folder.Path}: a run that has begun keeps these settings: {string.Join(", ", refused)}",
                string.Join(", ", refused.Select(k => $"{k}={changed[k]}")),
                $"changes of {Steps}, {string.Join(", ", Free)} and alarms.* alone",
                "start a run of its own with `train`; stages that do not depend on the change come from the cache"
            );
        if (changed.ContainsKey(Steps))
            Lengthen(folder, before, after);
        if (changed.Count > 0)
        {
            var path = folder.Config;
            var yaml = SettingsWriter.ToYaml(after);
            using (var store = RunStore.Open(folder.Database))
            {
                // Noted first: a process that is killed in between leaves a file whose hash is one of the two.
                store.KeepNote(Next, FileHash.OfText(yaml));
                AtomicFile.WriteAllText(path, yaml);
                store.KeepNote(Config, FileHash.Of(path));
                store.AddEvent("", 0, "information", $"settings changed by resume: {string.Join(", ", changed.Select(c => $"{c.Key}={c.Value}"))}");
            }
        }

        return after;
    }

    /// <summary>That a run of this name has the settings that were given.</summary>
    internal static void Same(string path, RunSettings settings)
    {
        var there = SettingsReader.Read<RunSettings>(Path.Combine(path, "config.yaml"), [], (s, _) => SettingsChecks.Of(s));
        // Without a date the run took that of its start, and keeps it.
        var changed = ChangedKeys.Of(settings with { Date = settings.Date ?? there.Date }, there);
        if (changed.Count > 0)
            throw new HarnessException(
                ErrorKind.RunFolder,
                $"{path}: a run of this name is there, with other settings",
                string.Join(", ", changed.Select(c => $"{c.Key}={c.Value} was given")),
                "the settings in its config.yaml",
                "give the run another name (name=…), or go on with the one that is there: rlharness resume " + path
            );
    }

    /// <summary>That the model that reward model and RL start from is the one that the run started with, where it is not the run's own.</summary>
    /// <exception cref="HarnessException">Its files are others now.</exception>
    internal static void SameModel(RunSettings settings, string run)
    {
        if (settings.Model.Path is not { } path || !ModelLibrary.StartsOutside(settings))
            return;
        var manifest = Path.Combine(run, RunFolder.Manifest);
        var noted = SmallFile.ReadObject(manifest, "a run.json")["model_hash"]?.GetValue<string>();
        var (found, place) = (ModelFiles.Hash(ModelLibrary.Find(path)), ModelLibrary.Find(path));
        if (noted is not null && noted != found)
            throw HarnessException.BadFile(
                place,
                "the model that this run started from was changed",
                $"SHA-256 {found}",
                $"SHA-256 {noted}, in {manifest}",
                "put the model back as it was, or start a new run"
            );
    }

    private const string Config = "sha256/config.yaml";
    private const string Next = "sha256/config.yaml/next";
    private const string Manifest = "sha256/run.json";

    /// <summary>Notes what the run's files are, when its store is made.</summary>
    internal static void Keep(RunFolder folder, RunStore store)
    {
        if (store.Note(Config) is null)
            store.KeepNote(Config, FileHash.Of(folder.Config));
        if (store.Note(Manifest) is null)
            store.KeepNote(Manifest, FileHash.Of(Path.Combine(folder.Path, RunFolder.Manifest)));
    }

    /// <summary>That nobody changed or cut config.yaml or run.json, and that the store is there and whole.</summary>
    /// <exception cref="HarnessException">One of them is not what the run wrote.</exception>
    internal static void Check(RunFolder folder)
    {
        if (!File.Exists(folder.Database) || RunStore.IsBlank(folder.Database))
        {
            // A run that was killed before it made its store has nothing else either.
            if (Directory.Exists(Path.Combine(folder.Path, "logs")) && Directory.EnumerateDirectories(folder.Path).Any(d => Path.GetFileName(d) is not "logs"))
                throw HarnessException.BadFile(
                    folder.Database,
                    "the run's store is missing or empty",
                    File.Exists(folder.Database) ? "a database without tables" : "nothing at this path",
                    "run.db, which every step was written to",
                    "copy it back; without it the run can't go on, but `generate` and `model convert` still read its checkpoints"
                );
            return;
        }

        using var store = RunStore.OpenReadOnly(folder.Database);
        store.CheckIntegrity();
        Compare(folder.Config, store.Note(Config), store.Note(Next));
        Compare(Path.Combine(folder.Path, RunFolder.Manifest), store.Note(Manifest), null);
    }

    private static void Compare(string path, string? noted, string? next)
    {
        var found = FileHash.Of(path);
        if (noted is null || found == noted || found == next)
            return;
        throw HarnessException.BadFile(
            path,
            "the file was changed or cut since the run wrote it",
            $"SHA-256 {found}",
            $"SHA-256 {noted}",
            "put it back as it was; settings that may change are given to `resume` as key=value"
        );
    }

    private static void Lengthen(RunFolder folder, RunSettings before, RunSettings after)
    {
        var optimizer = before.Rl.Optimizer;
        if (optimizer.Schedule != ScheduleKind.Constant && !(optimizer.Schedule == ScheduleKind.ConstantWithWarmup && optimizer.Warmup == 0))
            throw new HarnessException(
                ErrorKind.BadInput,
                $"{Steps}={after.Rl.Steps}: the learning rate of this run depends on its number of steps",
                $"rl.optimizer.schedule is {SettingNames.Snake(optimizer.Schedule)} over {before.Rl.Steps} steps"
                    + (optimizer.Warmup > 0 ? $", with a warm-up of {optimizer.Warmup} of them" : ""),
                "a constant learning rate, which goes on as it was",
                "start a run of that length with `train`; the stages before RL come from the cache"
            );
        if (CheckpointFolder.Newest(folder.Stage(StageNames.Rl)) is { } newest && after.Rl.Steps < newest.Step)
            throw new HarnessException(
                ErrorKind.BadInput,
                $"{Steps}={after.Rl.Steps}: the run is further than that",
                $"a checkpoint of step {newest.Step}",
                $"{newest.Step} or more",
                $"to go back, use --from"
            );
    }
}
