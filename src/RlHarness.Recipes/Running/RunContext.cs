using RlHarness.Core.Progress;
using RlHarness.Core.Randomness;
using RlHarness.Core.Runs;
using RlHarness.Experiment.Detectors;
using RlHarness.Experiment.Prompts;
using RlHarness.Recipes.Settings;
using RlHarness.Tracking.Metrics;
using RlHarness.Tracking.Store;
using Serilog;
using TorchSharp;

namespace RlHarness.Recipes.Running;

/// <summary>What every stage of a run needs.</summary>
public sealed class RunContext : IDisposable
{
    public RunContext(RunSettings settings, RunFolder folder, IRunProgress progress, ILogger log, torch.Device device, TimeProvider time, CancellationToken cancellation)
    {
        (Settings, Folder, Progress, Log, Device, Time, Cancellation) = (settings, folder, progress, log, device, time, cancellation);
        Store = RunStore.Open(folder.Database, time);
        Metrics = new MetricsJsonl(folder.Metrics, time);
        Seeds = new Seeds((ulong)settings.Seed);
        Condition = new Condition(settings.Experiment.Objective, settings.Experiment.Information, settings.Experiment.Scratchpad);
        Detectors = [.. settings.Evaluate.Detectors.Select(d => DetectorRegistry.Create(d, device, Seeds))];
        RolloutDetectors = [.. Detectors.Where((_, i) => settings.Evaluate.Detectors[i].LabelsRollouts)];
        Cache = new StageCache(Path.Combine(settings.Output, "cache"));
    }

    public RunSettings Settings { get; }

    public RunFolder Folder { get; }

    public RunStore Store { get; }

    public MetricsJsonl Metrics { get; }

    public IRunProgress Progress { get; }

    public ILogger Log { get; }

    public Seeds Seeds { get; }

    public torch.Device Device { get; }

    public TimeProvider Time { get; }

    public CancellationToken Cancellation { get; }

    public PromptPack Pack { get; } = PromptPack.Puffery;

    public Condition Condition { get; }

    /// <summary>All words of the pack that reach a model, for cache keys.</summary>
    public string PackText => string.Join('\n', Pack.Name, Pack.Version, Pack.SystemPrompt(Tier.Training, Condition), Pack.SystemPrompt(Tier.Unmonitored, Condition));

    public IReadOnlyList<IDetector> Detectors { get; }

    /// <summary>Those that also label the transcripts of RL rollouts: judges do not, unless asked to.</summary>
    public IReadOnlyList<IDetector> RolloutDetectors { get; }

    public StageCache Cache { get; }

    public torch.ScalarType ComputeType => Settings.Model.Precision == "bfloat16" ? torch.ScalarType.BFloat16 : torch.ScalarType.Float32;

    /// <summary>Writes a step's rows to the database and its line to metrics.jsonl; on disk when it returns.</summary>
    public void Commit(StepBatch batch)
    {
        Store.Commit(batch);
        Metrics.Append(batch.Stage, batch.Step, batch.Metrics);
        Log.Information("{Stage} step {Step} {@Metrics}", batch.Stage, batch.Step, batch.Metrics);
    }

    public void Dispose()
    {
        foreach (var detector in Detectors.OfType<IDisposable>()) detector.Dispose();
        Metrics.Dispose();
        Store.Dispose();
    }
}
