using System.Globalization;
using RlHarness.Core.Files;
using RlHarness.Core.Progress;
using RlHarness.Core.Runs;
using RlHarness.Core.Settings;
using RlHarness.Models.Kernels;
using RlHarness.Models.Native;
using RlHarness.Models.Parallel;
using RlHarness.Recipes.Planning;
using RlHarness.Recipes.Reporting;
using RlHarness.Recipes.Running;
using RlHarness.Recipes.Settings;
using RlHarness.Recipes.Stages;
using Serilog;
using Serilog.Formatting.Compact;
using TorchSharp;

namespace RlHarness.Recipes;

/// <summary>The main job: corpus → (documents →) imitate → reward → rl with evaluations → report. Also goes on where it was stopped.</summary>
public sealed class TrainRecipe(IRunProgress progress, TimeProvider time, CancellationToken cancellation)
{
    /// <summary>Starts a new run. Returns its folder.</summary>
    public string Start(RunSettings settings, string command)
    {
        settings = settings.Dated(time.GetLocalNow());
        var device = Devices.Choose(settings.Device);
        Preflight.Check(settings, device);
        using var folder = RunFolder.Create(
            settings.Output,
            settings.Name,
            name => RunManifest.Of(settings with { Name = name }, command, device.ToString(), time),
            SettingsWriter.ToYaml(settings)
        );
        if (RunFolder.NameOf(folder.Path) is var given && given != settings.Name)
            progress.Note($"{settings.Name} is taken: this run is {given}");
        Guarded(settings, folder, device);
        return folder.Path;
    }

    /// <summary>Goes on with a run that was stopped: stages that are done are kept, RL goes on from its newest checkpoint.</summary>
    public string Resume(string path)
    {
        using var folder = RunFolder.Open(path);
        var settings = SettingsReader.Read<RunSettings>(folder.Config, [], SettingsChecks.Of);
        // The run stays where it is, whatever the working folder was when it started.
        settings = RunManifest.Dated(settings, path) with { Output = Path.GetDirectoryName(Path.GetFullPath(path))! };
        var device = Devices.Choose(settings.Device);
        Guarded(settings, folder, device);
        return folder.Path;
    }

    /// <summary>Says of a run that was stopped, or that the disk stopped, what is kept and how to go on with it.</summary>
    private void Guarded(RunSettings settings, RunFolder folder, torch.Device device)
    {
        try
        {
            Run(settings, folder, device);
        }
        catch (OperationCanceledException e)
        {
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
            .. newest is { } rl ? [$"RL up to step {rl.Step}"] : Array.Empty<string>(),
        ];
        return parts.Length == 0 ? "its settings, and nothing else yet" : string.Join(" and ", parts);
    }

    private void Run(RunSettings settings, RunFolder folder, torch.Device device)
    {
        KernelPolicy.Choose(settings.KernelMode);
        if (settings.Threads > 0)
            torch.set_num_threads(settings.Threads);
        using var log = Log(folder.Path);
        using var run = new RunContext(settings, folder, progress, log, device, time, cancellation);
        run.MendMetrics();
        log.Information("run {Run} on {Device}", folder.Path, device.ToString());
        CorpusStage.Corpus corpus = null!;
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
            Cached(run, StageNames.Documents, DocumentsStage.Key(run), () => DocumentsStage.Run(run, corpus), measures: DocumentsStage.Evaluates(settings));
        if (settings.Stages.Contains(StageNames.Imitate))
            Cached(run, StageNames.Imitate, ImitateStage.Key(run), () => ImitateStage.Run(run, corpus));
        if (settings.Stages.Contains(StageNames.Reward))
            Cached(run, StageNames.Reward, RewardStage.Key(run), () => RewardStage.Run(run, corpus));
        if (settings.Stages.Contains(StageNames.Rl))
            Stage(run, StageNames.Rl, () =>
            {
                using var stage = new RlStage(run, corpus);
                return stage.Run();
            });
        RunReport.Write(folder.Path);
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
                if (CheckpointFolder.IsSealed(folder))
                {
                    CheckpointFolder.Verify(folder);
                    return "kept from before";
                }

                if (run.Settings.Cache && !measures && run.Cache.Has(stage, key))
                {
                    run.Cache.CopyTo(stage, key, folder);
                    return $"reused from the cache ({key[..16]}): same settings, inputs and seed";
                }

                // A stage that was stopped starts over, so what it wrote before would stand twice.
                run.Forget(stage, -1);
                var result = compute();
                if (run.Settings.Cache)
                    run.Cache.Add(stage, key, folder);
                return result;
            },
            key
        );
    }

    private static void Stage(RunContext run, string name, Func<string> work, string? key = null)
    {
        var stages = run.Settings.Stages;
        run.Progress.Stage(name, stages.ToList().IndexOf(name) + 1, stages.Count, "");
        run.Store.StartStage(name, key);
        var started = run.Time.GetTimestamp();
        try
        {
            var result = work();
            FreeMemory.Release();
            run.Store.EndStage(name, "done", result);
            run.Progress.StageDone(name, run.Time.GetElapsedTime(started), result);
            run.Log.Information("stage {Stage} done in {Seconds} s: {Result}", name, run.Time.GetElapsedTime(started).TotalSeconds, result);
        }
        catch (Exception e)
        {
            run.Store.EndStage(name, e is OperationCanceledException ? "interrupted" : "failed", e.Message);
            run.Log.Error(e, "stage {Stage} ended early", name);
            throw;
        }
    }

    private static Serilog.Core.Logger Log(string folder)
    {
        var logs = Path.Combine(folder, "logs");
        Directory.CreateDirectory(logs);
        var attempt = 1 + Directory.GetFiles(logs, "attempt_*.jsonl").Length;
        return new LoggerConfiguration().WriteTo.File(new CompactJsonFormatter(), Path.Combine(logs, $"attempt_{attempt}.jsonl")).CreateLogger();
    }
}
