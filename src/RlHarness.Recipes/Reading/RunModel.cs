using RlHarness.Core.Errors;
using RlHarness.Core.Runs;
using RlHarness.Core.Settings;
using RlHarness.Models.Loading;
using RlHarness.Recipes.Settings;
using TorchSharp;

namespace RlHarness.Recipes.Reading;

/// <summary>A model by its path, or the newest model of a run: its latest RL checkpoint, else what RL starts from.</summary>
public static class RunModel
{
    /// <param name="Path">The folder or file that the weights came from.</param>
    /// <param name="Step">Of RL; 0 for what it starts from, null for a model that is no run's.</param>
    public sealed record Opened(LoadedModel Model, string Path, int? Step) : IDisposable
    {
        public void Dispose() => Model.Dispose();
    }

    public static bool IsRun(string path) => File.Exists(Path.Combine(path, "run.json"));

    /// <exception cref="HarnessException">There is nothing to load, or it is cut or was changed.</exception>
    /// <param name="from">Step of a run's RL checkpoint; null: the newest.</param>
    public static Opened Open(string runOrModel, torch.Device device, torch.ScalarType computeType, int? from = null)
    {
        if (from is not null && !IsRun(runOrModel))
            throw new HarnessException(ErrorKind.BadInput, $"{runOrModel} is not a run, which --from chooses a checkpoint of", $"--from {from}", "no --from");
        var opened = IsRun(runOrModel) ? OfRun(runOrModel, device, from) : OfPath(runOrModel, device);
        opened.Model.Decoder.ComputeType = computeType;
        return opened;
    }

    /// <summary>The folder of a run's newest model: an RL checkpoint, which may be an adapter, else what RL starts from.</summary>
    /// <exception cref="HarnessException">The run has no model yet.</exception>
    public static string Newest(string run) => CheckpointFolder.Newest(Path.Combine(run, StageNames.Rl)) is { } newest ? newest.Path : Start(run);

    /// <summary>What RL of a run starts from, or would start from: the newest of its models before RL.</summary>
    private static string Start(string run)
    {
        var config = Path.Combine(run, "config.yaml");
        var settings = File.Exists(config) ? SettingsReader.Read<RunSettings>(config, []) : new RunSettings();
        var start = ModelLibrary.Start(settings, run);
        return Path.Exists(start)
            ? start
            : throw new HarnessException(
                ErrorKind.RunFolder,
                $"{run}: the run has no model yet",
                $"neither an RL checkpoint nor a finished {Path.GetFileName(start)} stage",
                "a run that got through the tuning before RL",
                "go on with it: `resume RUN`"
            );
    }

    private static bool IsOwn(string run, string start) =>
        Path.GetFullPath(start).StartsWith(Path.GetFullPath(run) + Path.DirectorySeparatorChar, StringComparison.Ordinal);

    private static Opened OfPath(string path, torch.Device device)
    {
        var found = ModelLibrary.Find(path);
        return new(ModelLoader.Load(found, device), found, null);
    }

    private static Opened OfRun(string run, torch.Device device, int? from)
    {
        var chosen = CheckpointFolder.Open(Path.Combine(run, StageNames.Rl), from);
        if (chosen is { } whole && !File.Exists(Path.Combine(whole.Path, "adapter_config.json")))
            return new(ModelLoader.Load(whole.Path, device), whole.Path, whole.Step);
        var start = Start(run);
        if (IsOwn(run, start))
            CheckpointFolder.Verify(start);
        var model = ModelLoader.Load(start, device);
        if (chosen is not { } adapter)
            return new(model, start, 0);
        model.Decoder.Adapters = LoraFolder.Load(adapter.Path, model.Decoder);
        return new(model, adapter.Path, adapter.Step);
    }
}
