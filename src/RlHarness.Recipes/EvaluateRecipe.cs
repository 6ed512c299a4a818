using RlHarness.Core.Progress;
using RlHarness.Core.Runs;
using RlHarness.Core.Settings;
using RlHarness.Models.Kernels;
using RlHarness.Models.Loading;
using RlHarness.Models.Native;
using RlHarness.Recipes.Cards;
using RlHarness.Recipes.Reading;
using RlHarness.Recipes.Reporting;
using RlHarness.Recipes.Running;
using RlHarness.Recipes.Settings;
using RlHarness.Recipes.Stages;
using RlHarness.Training.Collectives;
using Serilog;
using TorchSharp;

namespace RlHarness.Recipes;

/// <summary>The paired evaluation by itself: of a run's newest model, into that run; or of any model, into a new run.</summary>
/// <param name="ranks">The processes that do it together, each of which calls the same; null: this one alone.</param>
public sealed class EvaluateRecipe(IRunProgress progress, TimeProvider time, CancellationToken cancellation, Ranks? ranks = null)
{
    private readonly Ranks _ranks = ranks ?? Ranks.Alone;

    public const string Stage = "evaluate";

    /// <summary>
    /// Evaluates a run's newest model; rows of an earlier evaluation in the same condition are replaced, those in others stay. Returns the run's
    /// folder.
    /// </summary>
    /// <param name="overrides">key=value pairs over the run's own settings; they are not written back.</param>
    /// <param name="from">Step of the RL checkpoint; null: the newest.</param>
    public string OfRun(string path, IReadOnlyList<string> overrides, int? from = null)
    {
        RankedRun.SameProgram(_ranks);
        using var folder = RankedRun.Folder(_ranks, () => RunFolder.Open(path));
        var settings = RankedRun.OfFirst(
            _ranks,
            () =>
            {
                RunChanges.Check(folder);
                return RunManifest.Dated(SettingsReader.Read<RunSettings>(folder.Config, overrides, SettingsChecks.OfEvaluation), path) with
                {
                    Output = Path.GetDirectoryName(Path.GetFullPath(path))!,
                };
            }
        );
        Evaluate(settings, folder, path, from);
        return folder.Path;
    }

    /// <summary>Evaluates a model by the settings of a file; writes a new run folder and returns it.</summary>
    public string OfModel(string model, RunSettings settings, string command)
    {
        var place = ModelLibrary.Find(model);
        settings = settings with
        {
            Name = "eval-" + Path.GetFileNameWithoutExtension(Path.TrimEndingDirectorySeparator(place)),
            Model = settings.Model with { Path = model },
        };
        RankedRun.Check(_ranks, settings with { Stages = [] });
        settings = RankedRun.OfFirst(_ranks, () => settings.Dated(time.GetLocalNow()));
        var device = RankedRun.Device(_ranks, settings);
        // A file that can't be read is found before a run folder exists.
        ModelLoader.Open(place).Dispose();
        using var folder = RankedRun.NewFolder(_ranks, settings, command, device, time, progress);
        Evaluate(settings, folder, model, from: null);
        return folder.Path;
    }

    private void Evaluate(RunSettings settings, RunFolder folder, string source, int? from)
    {
        KernelPolicy.Choose(settings.KernelMode);
        RankedRun.Threads(_ranks, settings, progress);
        RankedRun.BeginWatch(_ranks, folder);
        var device = RankedRun.Device(_ranks, settings);
        using var log = new LoggerConfiguration().CreateLogger();
        using var run = new RunContext(settings, folder, progress, log, device, time, cancellation, _ranks);
        using var opened = RunModel.Open(source, device, run.ComputeType, from);
        using var rewardModel = RewardStage.Open(run);
        var conversation = new Conversation(opened.Model, run.Settings.Clock);
        using var rewards = rewardModel is null ? null : RewardFunction.Open(run, rewardModel);
        var step = opened.Step ?? 0;
        var started = time.GetTimestamp();
        progress.Stage(Stage, 1, 1, $"{opened.Path}, {settings.Evaluate.Queries} queries in {run.Condition.Tiers.Count} tiers");
        run.MendMetrics();
        run.Store.StartStage(Stage);
        try
        {
            var result = new Evaluator(run, opened.Model, conversation).Run(Stage, step, rewards, (done, total) => progress.Step("answer", done, total, []));
            run.Replace(result.Batch);
            EvaluationParts.Clear(run);
            var line = Evaluator.Line(result.Summaries[run.Detectors[0].Name]);
            run.Store.EndStage(Stage, "done", line);
            if (_ranks.IsFirst)
                ModelCards.Write(folder.Path, settings, run.Store);
            progress.StageDone(Stage, time.GetElapsedTime(started), line);
        }
        catch (Exception e)
        {
            if (e is not OperationCanceledException)
                _ranks.Watch?.Failing();
            else
                RankedRun.EndWatch(_ranks, folder);
            run.Store.EndStage(Stage, e is OperationCanceledException ? "interrupted" : "failed", e.Message);
            throw;
        }

        if (_ranks.IsFirst)
            RunReport.Write(folder.Path, progress: progress);
        RankedRun.EndWatch(_ranks, folder);
    }
}
