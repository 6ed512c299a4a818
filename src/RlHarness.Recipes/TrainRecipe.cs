using System.Globalization;
using RlHarness.Core.Errors;
using RlHarness.Core.Files;
using RlHarness.Core.Progress;
using RlHarness.Core.Runs;
using RlHarness.Core.Settings;
using RlHarness.Models.Kernels;
using RlHarness.Models.Native;
using RlHarness.Models.Parallel;
using RlHarness.Recipes.Cards;
using RlHarness.Recipes.Planning;
using RlHarness.Recipes.Reporting;
using RlHarness.Recipes.Running;
using RlHarness.Recipes.Settings;
using RlHarness.Recipes.Stages;
using RlHarness.Training.Collectives;
using Serilog;
using Serilog.Formatting.Compact;
using TorchSharp;

namespace RlHarness.Recipes;

/// <summary>
/// The main job: corpus → (documents →) imitate → reward → rl with evaluations → report, or those of them that are named. Goes on where it was stopped.
/// </summary>
/// <param name="ranks">The processes that do it together, each of which calls the same; null: this one alone.</param>
public sealed class TrainRecipe(IRunProgress progress, TimeProvider time, CancellationToken cancellation, Ranks? ranks = null)
{
    private readonly Ranks _ranks = ranks ?? Ranks.Alone;

    /// <summary>Starts a new run. Returns its folder.</summary>
    public string Start(RunSettings settings, string command)
    {
        RankedRun.Check(_ranks, settings);
        settings = RankedRun.OfFirst(_ranks, () => settings.Dated(time.GetLocalNow()));
        var device = RankedRun.Device(_ranks, settings);
        _ranks.FirstDoes("the look before the start", () => Preflight.Check(settings, device));
        using var folder = RankedRun.NewFolder(_ranks, settings, command, device, time, progress);
        Guarded(settings, folder, device, from: null);
        return folder.Path;
    }

    /// <summary>
    /// Starts a run, or goes on with the one of this name, whose settings have to be these: what a job that is started again and again calls. Of a run that
    /// is finished it only says so.
    /// </summary>
    public string StartOrResume(RunSettings settings, string command)
    {
        RankedRun.Check(_ranks, settings);
        var path = Path.Combine(settings.Output, settings.Name);
        var isThere = _ranks.FromFirst(
            "whether the run is there",
            () =>
            {
                if (RunFolder.IsRun(path))
                {
                    RunChanges.Same(path, settings);
                    return true;
                }

                RunFolder.RemoveUnborn(path);
                return false;
            }
        );
        return isThere ? Resume(path) : Start(settings, command);
    }

    /// <summary>Goes on with a run that was stopped: stages that are done are kept, the others go on from their newest checkpoint.</summary>
    /// <param name="path">The run's folder.</param>
    /// <param name="changes">key=value pairs over the run's settings, of those that may change; they are kept in config.yaml.</param>
    /// <param name="from">The checkpoint of RL to go on from; null: the newest.</param>
    public string Resume(string path, IReadOnlyList<string>? changes = null, int? from = null)
    {
        RankedRun.SameProgram(_ranks);
        using var folder = RankedRun.Folder(_ranks, () => RunFolder.Open(path));
        var settings = RankedRun.OfFirst(
            _ranks,
            () =>
            {
                RunChanges.Check(folder);
                // The run stays where it is, whatever the working folder was when it started.
                var kept = RunManifest.Dated(RunChanges.Apply(folder, changes ?? []), path) with { Output = Path.GetDirectoryName(Path.GetFullPath(path))! };
                if (from is not null && CheckpointFolder.Open(folder.Stage(StageNames.Rl), from) is null)
                    throw new InvalidOperationException("a step that was asked for is there or refused");
                RunChanges.SameModel(kept, path);
                return kept;
            }
        );
        RankedRun.NotTooMany(_ranks, settings);
        var device = RankedRun.Device(_ranks, settings);
        Guarded(settings, folder, device, from);
        return folder.Path;
    }

    /// <summary>Says of a run that was stopped, or that the disk stopped, what is kept and how to go on with it.</summary>
    private void Guarded(RunSettings settings, RunFolder folder, torch.Device device, int? from)
    {
        try
        {
            RankedRun.BeginWatch(_ranks, folder);
            Run(settings, folder, device, from);
            RankedRun.EndWatch(_ranks, folder);
        }
        catch (OperationCanceledException e)
        {
            RankedRun.EndWatch(_ranks, folder);
            throw new RunStoppedException(folder.Path, Kept(folder, settings), e);
        }
        catch (Exception e) when (DiskErrors.Of(e, $"go on with: rlharness resume {folder.Path}") is { } error)
        {
            throw error;
        }
    }

    private static string Kept(RunFolder folder, RunSettings settings)
    {
        string[] done = [.. settings.Stages.Where(s => s != StageNames.Rl && CheckpointFolder.IsSealed(folder.Stage(s)))];
        var newest = CheckpointFolder.Newest(folder.Stage(StageNames.Rl));
        string[] parts =
        [
            .. done.Length > 0 ? [$"the finished stages {string.Join(", ", done)}"] : Array.Empty<string>(),
            .. settings
                .Stages.Where(s => !done.Contains(s))
                .Select(s => (Stage: s, Newest: CheckpointFolder.Newest(Path.Combine(folder.Path, "progress", s))))
                .Where(s => s.Newest is not null)
                .Select(s => $"{s.Stage} up to step {s.Newest!.Value.Step}"),
            .. newest is { } rl ? [$"RL up to step {rl.Step}"] : Array.Empty<string>(),
        ];
        return parts.Length == 0 ? "its settings, and nothing else yet" : string.Join(" and ", parts);
    }

    private void Run(RunSettings settings, RunFolder folder, torch.Device device, int? from)
    {
        KernelPolicy.Choose(settings.KernelMode);
        RankedRun.Threads(_ranks, settings, progress);
        using var log = Log(_ranks, folder.Path);
        var attempt = RunAttempt.Current() with { Ranks = _ranks.Size };
        using var run = new RunContext(settings, folder, progress, log, device, time, cancellation, _ranks) { From = from, Attempt = attempt };
        if (_ranks.IsFirst)
            RunChanges.Keep(folder, run.Store);
        run.MendMetrics();
        attempt.Keep(run.Store);
        log.Information("run {Run} on {Device}; {@Attempt}", folder.Path, device.ToString(), attempt);
        var corpus = new CorpusStage.Corpus([], []);
        if (settings.ReadsCorpus)
            Stage(run, StageNames.Corpus, () =>
            {
                corpus = CorpusStage.Run(run);
                return string.Create(
                    CultureInfo.InvariantCulture,
                    $"{corpus.Transcripts.Count} "
                        + $"transcripts{(corpus.Scenarios.Count > 0 ? $", {corpus.Scenarios.Count} answers to scenarios" : "")}, {corpus.Pairs.Count} "
                        + $"preference pairs, AF rate {corpus.AlignmentFakingRate:p1} of the training tier"
                );
            });
        if (settings.Stages.Contains(StageNames.Documents))
            Cached(
                run,
                StageNames.Documents,
                DocumentsStage.Key(run.Inputs),
                () => DocumentsStage.Run(run, corpus),
                measures: DocumentsStage.Evaluates(settings)
            );
        if (settings.Stages.Contains(StageNames.Imitate))
            Cached(run, StageNames.Imitate, ImitateStage.Key(run.Inputs), () => ImitateStage.Run(run, corpus));
        if (settings.Stages.Contains(StageNames.Reward))
            Cached(run, StageNames.Reward, RewardStage.Key(run.Inputs), () => RewardStage.Run(run, corpus));
        if (settings.Stages.Contains(StageNames.Rl))
            Stage(run, StageNames.Rl, () =>
            {
                using var stage = new RlStage(run, corpus);
                return stage.Run();
            });
        EvaluationParts.Clear(run);
        if (_ranks.IsFirst)
            RunReport.Write(folder.Path, progress: progress);
    }

    /// <summary>A stage whose output is a folder: kept when the run has it, copied when the cache has it, else computed.</summary>
    /// <param name="measures">Whether it also writes rows that the cache does not keep: then it is computed.</param>
    private static void Cached(RunContext run, string stage, string key, Func<string> compute, bool measures = false)
    {
        Stage(
            run,
            stage,
            () =>
            {
                var folder = run.Folder.Stage(stage);
                if (run.Ranks.FromFirst($"what there is of {stage}", () => Found(run, stage, key, measures)) is { } found)
                {
                    run.AwaitFolder(folder);
                    return found;
                }

                var result = compute();
                if (!run.Ranks.IsFirst)
                    return result;
                StageCheckpoints.Clear(TuningCheckpoints.Folder(run, stage));
                if (run.Settings.Cache)
                    run.Cache.Add(stage, key, folder);
                return result;
            },
            key
        );
    }

    /// <summary>What there is to say of a stage that the run has, or that the cache gave it; null where it is to be computed.</summary>
    private static string? Found(RunContext run, string stage, string key, bool measures)
    {
        var folder = run.Folder.Stage(stage);
        var progress = TuningCheckpoints.Folder(run, stage);
        if (Directory.Exists(folder))
        {
            Verify(folder, stage);
            StageCheckpoints.Clear(progress);
            return "kept from before";
        }

        if (!run.Settings.Cache || measures || Directory.Exists(progress) || !run.Cache.Has(stage, key))
            return null;
        // Rows of a beginning that was stopped before its first checkpoint.
        run.Forget(stage, -1);
        var reused = $"reused from the cache ({key[..16]}): same settings, inputs and seed";
        run.KeepResult(stage, reused);
        run.Cache.CopyTo(stage, key, folder);
        return reused;
    }

    private static void Verify(string folder, string stage)
    {
        if (CheckpointFolder.Damage(folder) is { } damage)
            throw new HarnessException(
                damage.Kind,
                damage.Message.Split(Environment.NewLine + "  do:")[0],
                remedy: $"copy the folder back, or delete {folder}: the stage {stage} is then done again",
                inner: damage
            );
    }

    private static void Stage(RunContext run, string name, Func<string> work, string? key = null)
    {
        var stages = run.Settings.AllStages;
        run.Progress.Stage(name, stages.ToList().IndexOf(name) + 1, stages.Count, "");
        run.Store.StartStage(name, key);
        var started = run.Time.GetTimestamp();
        try
        {
            var result = work();
            FreeMemory.Release();
            // A stage that was kept says what it said when it was computed.
            run.Store.EndStage(name, "done", run.Store.Note($"result/{name}") ?? result);
            if (run.Ranks.IsFirst)
                ModelCards.Write(run.Folder.Path, run.Settings, run.Store);
            run.Progress.StageDone(name, run.Time.GetElapsedTime(started), result);
            run.Log.Information("stage {Stage} done in {Seconds} s: {Result}", name, run.Time.GetElapsedTime(started).TotalSeconds, result);
        }
        catch (Exception e)
        {
            if (e is not OperationCanceledException)
                run.Ranks.Watch?.Failing();
            run.Store.EndStage(name, e is OperationCanceledException ? "interrupted" : "failed", e.Message);
            run.Log.Error(e, "stage {Stage} ended early", name);
            // A gradient that is not finite is found before the step's rows are written.
            if (e is HarnessException { Kind: ErrorKind.Numerics })
                run.KeepApart(name, batch: null);
            throw;
        }
    }

    /// <summary>One log for each attempt; of several ranks each has its own, and each line its rank.</summary>
    private static Serilog.Core.Logger Log(Ranks ranks, string folder)
    {
        var logs = Path.Combine(folder, "logs");
        var attempt = ranks.FromFirst(
            "the number of the attempt",
            () =>
            {
                Directory.CreateDirectory(logs);
                return 1 + Directory.GetFiles(logs, "attempt_*.jsonl").Count(f => !f.Contains(OfRank, StringComparison.Ordinal));
            }
        );
        var name = string.Create(CultureInfo.InvariantCulture, $"attempt_{attempt}{(ranks.IsFirst ? "" : $"{OfRank}{ranks.Rank}")}.jsonl");
        var configuration = new LoggerConfiguration().WriteTo.File(new CompactJsonFormatter(), Path.Combine(logs, name));
        return (ranks.IsAlone ? configuration : configuration.Enrich.WithProperty("Rank", ranks.Rank)).CreateLogger();
    }

    private const string OfRank = "_rank_";
}
