using System.Globalization;
using RlHarness.Core.Errors;
using RlHarness.Models.Loading;
using RlHarness.Recipes.Settings;
using RlHarness.Recipes.Stages;
using TorchSharp;

namespace RlHarness.Recipes.Running;

/// <summary>What is checked before anything starts: paths, memory and disk space.</summary>
public static class Preflight
{
    /// <exception cref="HarnessException">Something is missing; nothing was written.</exception>
    public static void Check(RunSettings settings, torch.Device device)
    {
        var need = Needs(settings);
        if (device.type == DeviceType.CPU && ProcessMemory.AvailableGiB() is var free && free < need.MemoryGiB)
            throw new HarnessException(ExitCode.Resource, "not enough memory for this run", $"{free:f1} GiB available", $"about {need.MemoryGiB:f1} GiB", "lower *.micro_batch_tokens or batch sizes, tune adapters (imitate.adapter, rl.adapter), or use a larger machine");
        Writable(settings.Output);
        var disk = new DriveInfo(Path.GetFullPath(settings.Output)).AvailableFreeSpace / (double)(1 << 30);
        if (disk < need.DiskGiB)
            throw new HarnessException(ExitCode.Resource, $"not enough disk space in {settings.Output}", $"{disk:f1} GiB free", $"about {need.DiskGiB:f1} GiB", "free some, choose another output folder, or lower rl.keep_checkpoints");
    }

    /// <summary>Makes the folder where it is absent, and writes a file that it takes away again.</summary>
    private static void Writable(string output)
    {
        var probe = Path.Combine(output, $".{Environment.ProcessId}.probe");
        try
        {
            Directory.CreateDirectory(output);
            File.WriteAllText(probe, "");
            File.Delete(probe);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new HarnessException(ExitCode.Resource, $"{output} can't be written", e.Message, "a folder that this user may write", "choose another with output=…", e);
        }
    }

    /// <summary>Rough needs: copies of the parameters in fp32 (weights, gradients, two moments, reference, critic, reward model), activations, and what checkpoints take.</summary>
    public static (double MemoryGiB, double DiskGiB, double Parameters) Needs(RunSettings settings)
    {
        double parameters, hidden, layers, vocabulary;
        if (settings.Model.Path is { } path)
        {
            using var opened = ModelLoader.Open(BaseModel.Find(path));
            parameters = new Models.Decoders.ParameterLayout(opened.Config).Parameters.Sum(p => (double)p.Count);
            (hidden, layers, vocabulary) = (opened.Config.HiddenSize, opened.Config.NumHiddenLayers, opened.Config.VocabSize);
        }
        else
        {
            var n = settings.Model.New;
            (hidden, layers, vocabulary) = (n.HiddenSize, n.NumHiddenLayers, n.VocabSize);
            parameters = vocabulary * hidden + layers * (4 * hidden * hidden + 3 * hidden * n.IntermediateSize);
        }

        const double gib = 1 << 30;
        var full = settings.Rl.Adapter is null ? 4 : 1;
        var copies = full + 1 + (settings.Rl.Critic == CriticKind.Body ? 4 : 0) + 1;
        var tokens = new[] { settings.Imitate.MicroBatchTokens, settings.Reward.MicroBatchTokens, settings.Rl.MicroBatchTokens }.Max();
        // about 34 numbers of the hidden size a token and layer stay for the backward pass, and one block of logits
        var activations = tokens * layers * hidden * 34 * 4 + 2 * (1 << 23) * 4.0;
        var memory = (copies * parameters * 4 + activations) / gib + 0.6;
        var perCheckpoint = parameters * 4 * (settings.Rl.Critic == CriticKind.Body ? 6 : 3);
        return (memory, ((settings.Rl.KeepCheckpoints + 1) * perCheckpoint + 4 * parameters * 4) / gib + 0.1, parameters);
    }
}
