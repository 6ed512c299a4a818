using RlHarness.Core.Errors;
using RlHarness.Core.Runs;
using RlHarness.Models.Loading;
using RlHarness.Recipes.Settings;
using TorchSharp;

namespace RlHarness.Recipes.Reading;

/// <summary>A model by its path, or the newest model of a run: its latest RL checkpoint, else what imitation tuning made.</summary>
public static class RunModel
{
    /// <param name="Path">The folder or file that the weights came from.</param>
    /// <param name="Step">Of RL; 0 for the imitating model, null for a model that is no run's.</param>
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

    /// <summary>The folder of a run's newest model: an RL checkpoint, which may be an adapter, else what imitation tuning made.</summary>
    /// <exception cref="HarnessException">The run has no model yet.</exception>
    public static string Newest(string run)
    {
        if (CheckpointFolder.Newest(Path.Combine(run, StageNames.Rl)) is { } newest)
            return newest.Path;
        var imitation = Path.Combine(run, StageNames.Imitate);
        return Directory.Exists(imitation)
            ? imitation
            : throw new HarnessException(
                ErrorKind.RunFolder,
                $"{run}: the run has no model yet",
                "neither an RL checkpoint nor a finished imitate stage",
                "a run that got through imitation tuning",
                "go on with it: `resume RUN`"
            );
    }

    private static Opened OfPath(string path, torch.Device device)
    {
        var found = ModelLibrary.Find(path);
        return new(ModelLoader.Load(found, device), found, null);
    }

    private static Opened OfRun(string run, torch.Device device, int? from)
    {
        var imitation = Path.Combine(run, StageNames.Imitate);
        if (CheckpointFolder.Open(Path.Combine(run, StageNames.Rl), from) is not { } chosen)
        {
            if (!Directory.Exists(imitation))
                throw new HarnessException(
                    ErrorKind.RunFolder,
                    $"{run}: the run has no model yet",
                    "neither an RL checkpoint nor a finished imitate stage",
                    "a run that got through imitation tuning",
                    "go on with it: `resume RUN`"
                );
            CheckpointFolder.Verify(imitation);
            return new(ModelLoader.Load(imitation, device), imitation, 0);
        }

        if (!File.Exists(Path.Combine(chosen.Path, "adapter_config.json")))
            return new(ModelLoader.Load(chosen.Path, device), chosen.Path, chosen.Step);
        CheckpointFolder.Verify(imitation);
        var model = ModelLoader.Load(imitation, device);
        model.Decoder.Adapters = LoraFolder.Load(chosen.Path, model.Decoder);
        return new(model, chosen.Path, chosen.Step);
    }
}
