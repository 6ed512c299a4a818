using System.Globalization;
using System.Text;
using RlHarness.Core.Errors;
using RlHarness.Core.Progress;
using RlHarness.Core.Runs;
using RlHarness.Core.Settings;
using RlHarness.Models.Native;
using RlHarness.Recipes.Settings;
using RlHarness.Training.Collectives;
using TorchSharp;

namespace RlHarness.Recipes.Running;

/// <summary>
/// How ranks begin a run together: the same program, the same settings, one folder, a device and threads for each. The first rank holds and writes the folder;
/// the others follow it, and read from it what it has sealed.
/// </summary>
internal static class RankedRun
{
    /// <summary>Where ranks leave signs of life while they work on a run.</summary>
    private const string Signs = ".ranks";

    /// <summary>How long what the first rank has written may take to be seen by another machine: network file systems keep what they know.</summary>
    private static readonly TimeSpan Visible = TimeSpan.FromSeconds(90);

    /// <summary>That all ranks run the same program with the same settings, on no more ranks than a step has prompts.</summary>
    /// <exception cref="HarnessException">They do not: on all ranks.</exception>
    internal static void Check(Ranks ranks, RunSettings settings)
    {
        if (ranks.IsAlone)
            return;
        SameProgram(ranks);
        var yaml = SettingsWriter.ToYaml(settings);
        var said = ranks.Gather("settings", () => Encoding.UTF8.GetBytes(yaml)).Select(Encoding.UTF8.GetString).ToArray();
        if (Array.FindIndex(said, s => s != said[0]) is var other and >= 0)
        {
            var (first, odd) = (Parsed(said[0]), Parsed(said[other]));
            var changed = ChangedKeys.Of(odd, first);
            throw new HarnessException(
                ErrorKind.BadInput,
                string.Create(CultureInfo.InvariantCulture, $"rank {other} of {ranks.Size} was started with other settings than rank 0"),
                changed.Count > 0 ? string.Join(", ", changed.Select(c => $"{c.Key}={c.Value}")) : $"name={odd.Name}, output={odd.Output}",
                "the same settings on all ranks",
                "give all ranks one command; where a file lies on several machines, see that it is the same"
            );
        }

        NotTooMany(ranks, settings);
    }

    /// <summary>That all ranks run the same build of the program.</summary>
    internal static void SameProgram(Ranks ranks)
    {
        if (ranks.IsAlone)
            return;
        var own = $"{RunManifest.ProgramVersion}, build {typeof(RankedRun).Module.ModuleVersionId:N}, {ranks.Library}";
        var said = ranks.Gather("versions", () => Encoding.UTF8.GetBytes(own)).Select(Encoding.UTF8.GetString).ToArray();
        if (Array.FindIndex(said, s => s != said[0]) is var other and >= 0)
            throw new HarnessException(
                ErrorKind.BadInput,
                string.Create(CultureInfo.InvariantCulture, $"rank {other} of {ranks.Size} runs another program than rank 0"),
                said[other],
                said[0],
                "copy one build to all machines, and load one MPI on them"
            );
    }

    /// <exception cref="HarnessException">There are more ranks than prompts of a step.</exception>
    internal static void NotTooMany(Ranks ranks, RunSettings settings)
    {
        if (settings.Stages.Contains(StageNames.Rl) && ranks.Size > settings.Rl.PromptsPerStep)
            throw new HarnessException(
                ErrorKind.BadInput,
                "more ranks than prompts of a step",
                string.Create(CultureInfo.InvariantCulture, $"{ranks.Size} ranks, rl.prompts_per_step {settings.Rl.PromptsPerStep}"),
                "a prompt or more for each rank",
                "start fewer ranks, or raise rl.prompts_per_step"
            );
    }

    /// <summary>Settings as the first rank has them.</summary>
    internal static RunSettings OfFirst(Ranks ranks, Func<RunSettings> settings)
    {
        if (ranks.IsAlone)
            return settings();
        RunSettings? own = null;
        var yaml = ranks.FromFirst("settings of the run", () => SettingsWriter.ToYaml(own = settings()));
        return own ?? Parsed(yaml);
    }

    /// <summary>The run's folder: held by the first rank, followed by the others.</summary>
    internal static RunFolder Folder(Ranks ranks, Func<RunFolder> hold)
    {
        if (ranks.IsAlone)
            return hold();
        RunFolder? held = null;
        var path = ranks.FromFirst("folder of the run", () => Path.GetFullPath((held = hold()).Path));
        if (held is not null)
            return held;
        Await(ranks, () => RunFolder.IsRun(path), path);
        return RunFolder.Follow(path);
    }

    /// <summary>The folder of a new run, whose name is told where the one in the settings is taken.</summary>
    internal static RunFolder NewFolder(Ranks ranks, RunSettings settings, string command, torch.Device device, TimeProvider time, IRunProgress progress)
    {
        var folder = Folder(ranks, () =>
            RunFolder.Create(
                settings.Output,
                settings.Name,
                name => RunManifest.Of(settings with { Name = name }, command, device.ToString(), time, ranks.Size),
                SettingsWriter.ToYaml(settings)
            )
        );
        if (RunFolder.NameOf(folder.Path) is var given && given != settings.Name)
            progress.Note($"{settings.Name} is taken: this run is {given}");
        return folder;
    }

    /// <summary>Waits on the other ranks until what the first has written is seen on this machine.</summary>
    /// <exception cref="HarnessException">It is not: the ranks do not share the folder.</exception>
    internal static void Await(Ranks ranks, Func<bool> isThere, string path)
    {
        if (ranks.IsFirst || isThere())
            return;
        var clock = TimeProvider.System;
        var started = clock.GetTimestamp();
        while (clock.GetElapsedTime(started) < Visible)
        {
            ranks.Asked.WaitHandle.WaitOne(TimeSpan.FromMilliseconds(200));
            if (isThere())
                return;
        }

        throw new HarnessException(
            ErrorKind.RunFolder,
            $"{ranks.Prefix}{path} is not there",
            $"nothing on {Environment.MachineName}",
            "what rank 0 has written",
            "put `output` on a file system that all machines see"
        );
    }

    /// <summary>The device of this rank: of several GPUs on a machine each rank takes another.</summary>
    internal static torch.Device Device(Ranks ranks, RunSettings settings)
    {
        if (ranks.IsAlone)
            return Devices.Choose(settings.Device);
        var hosts = ranks.Gather("machines", () => Encoding.UTF8.GetBytes(Environment.MachineName)).Select(Encoding.UTF8.GetString).ToArray();
        var before = hosts.Take(ranks.Rank).Count(h => h == hosts[ranks.Rank]);
        var name = settings.Device is "auto" or "cuda" && Devices.CudaCount() is var count and > 0 ? $"cuda:{before % count}" : settings.Device;
        torch.Device? device = null;
        var types = ranks.Gather("devices", () => (double[])[(int)(device = Devices.Choose(name)).type]);
        if (types.FirstOrDefault(t => t[0] != types[0][0]) is not null)
            throw new HarnessException(
                ErrorKind.Resource,
                "ranks would compute on devices of several kinds",
                string.Join(", ", types.Select((t, r) => $"rank {r}: {((DeviceType)(int)t[0]).ToString().ToLowerInvariant()}")),
                "one kind",
                "set device to cpu or cuda"
            );
        ranks.Connect(device!, isOwn: hosts.Count(h => h == hosts[ranks.Rank]) <= Devices.CudaCount());
        return device!;
    }

    /// <summary>Sets the threads of this rank, and says what ranks there are.</summary>
    internal static void Threads(Ranks ranks, RunSettings settings, IRunProgress progress)
    {
        if (settings.Threads > 0)
            torch.set_num_threads(settings.Threads);
        if (ranks.IsAlone)
            return;
        var words = $"{settings.Threads} each, by the settings";
        if (settings.Threads == 0)
        {
            var choice = RankThreads.Choose(ranks);
            torch.set_num_threads(choice.Threads);
            words = choice.Words;
        }

        progress.Note(string.Create(CultureInfo.InvariantCulture, $"{ranks.Size} ranks by {ranks.Library}; threads: {words}"));
    }

    /// <summary>From here on ranks leave signs of life in the run's folder.</summary>
    internal static void BeginWatch(Ranks ranks, RunFolder folder)
    {
        var signs = Path.Combine(folder.Path, Signs);
        if (ranks.IsAlone)
        {
            Remove(signs);
            return;
        }

        ranks.FirstDoes("signs of life", () =>
        {
            Remove(signs);
            Directory.CreateDirectory(signs);
        });
        ranks.Watch?.Begin(signs);
    }

    /// <summary>All ranks have come to the end of their work.</summary>
    internal static void EndWatch(Ranks ranks, RunFolder folder)
    {
        if (ranks.IsAlone)
            return;
        ranks.Barrier("the end of the run");
        ranks.Watch?.End();
        ranks.FirstDoes("the end of the watch", () => Remove(Path.Combine(folder.Path, Signs)));
    }

    private static void Remove(string folder)
    {
        if (Directory.Exists(folder))
            Directory.Delete(folder, recursive: true);
    }

    private static RunSettings Parsed(string yaml) => SettingsReader.Parse<RunSettings>("the first rank's settings", yaml, []);
}
