using RlHarness.Core.Errors;
using RlHarness.Core.Runs;
using RlHarness.Models.Loading;
using RlHarness.Recipes.Settings;
using TorchSharp;

namespace RlHarness.Recipes.Planning;

/// <summary>What is checked before anything starts: paths, memory and disk space.</summary>
internal static class Preflight
{
    /// <exception cref="HarnessException">Something is missing; nothing was written.</exception>
    public static void Check(RunSettings settings, torch.Device device)
    {
        if (settings is { HasRewardModel: true, Reward.Path: { } reward })
            ScalarHeadFolder.Check(ModelLibrary.Find(reward));
        var need = RunPlan.Of(settings);
        if (device.type == DeviceType.CPU && ProcessMemory.AvailableGiB() is var free && free < need.MemoryGiB)
            throw new HarnessException(
                ErrorKind.Resource,
                "not enough memory for this run",
                $"{free:f1} GiB available",
                $"about {need.MemoryGiB:f1} GiB",
                "lower *.micro_batch_tokens or batch sizes, tune adapters (imitate.adapter, rl.adapter), or use a larger machine"
            );
        Writable(settings.Output);
        var disk = new DriveInfo(Path.GetFullPath(settings.Output)).AvailableFreeSpace / (double)(1 << 30);
        if (disk < need.DiskGiB)
            throw new HarnessException(
                ErrorKind.Resource,
                $"not enough disk space in {settings.Output}",
                $"{disk:f1} GiB free",
                $"about {need.DiskGiB:f1} GiB",
                "free some, choose another output folder, or lower rl.keep_checkpoints"
            );
    }

    /// <summary>Makes the folder where it is absent, and writes a file that it takes away again.</summary>
    private static void Writable(string output)
    {
        // One name for all processes: what one that was killed left, the next one removes.
        var probe = Path.Combine(output, ".probe");
        try
        {
            Directory.CreateDirectory(output);
            new FileStream(probe, FileMode.OpenOrCreate, FileAccess.Write, FileShare.ReadWrite | FileShare.Delete).Dispose();
            File.Delete(probe);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new HarnessException(
                ErrorKind.Resource,
                $"{output} can't be written",
                e.Message,
                "a folder that this user may write",
                "choose another with output=…",
                e
            );
        }
    }
}
