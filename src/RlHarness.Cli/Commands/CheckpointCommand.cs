using System.CommandLine;
using System.Globalization;
using RlHarness.Cli.Terminal;
using RlHarness.Core.Errors;
using RlHarness.Core.Runs;

namespace RlHarness.Cli.Commands;

/// <summary>What a run keeps: its sealed stages and the checkpoints of those that go on.</summary>
internal static class CheckpointCommand
{
    internal static Command Create() =>
        new("checkpoint", "List a run's finished stages and checkpoints, or compare each of their files with its manifest.")
        {
            Of(
                "list",
                "List a run's finished stages and checkpoints with their size; none is read.\n\nExample:\n  rlharness checkpoint list checkpoints/quickstart",
                verify: false
            ),
            Of(
                "verify",
                "Compare each file of a run's finished stages and checkpoints with the SHA-256 in its manifest. Exit code 1 when one is damaged.\n\n"
                    + "Example:\n  rlharness checkpoint verify checkpoints/quickstart",
                verify: true
            ),
        };

    private static Command Of(string name, string description, bool verify)
    {
        var run = new Argument<string>("run") { Description = "A run's folder, such as checkpoints/quickstart." };
        var command = new Command(name, description) { run };
        command.SetAction(parsed =>
            CommandLine.Guard(() =>
            {
                var folder = parsed.GetValue(run)!;
                if (!RunFolder.IsRun(folder))
                    throw new HarnessException(ErrorKind.RunFolder, $"{folder}: not a run's folder", expected: "a folder that `train` made");
                return SealedFolders.Print(Kept(folder), verify, "nothing is kept yet");
            })
        );
        return command;
    }

    private static IEnumerable<(string Name, string Path)> Kept(string run)
    {
        foreach (var stage in new[] { "documents", "imitate", "reward" })
        {
            if (Directory.Exists(Path.Combine(run, stage)))
                yield return (stage, Path.Combine(run, stage));
            foreach (var step in CheckpointFolder.Steps(Path.Combine(run, "progress", stage)))
                yield return ($"{stage} {CheckpointFolder.StepName(step)}", CheckpointFolder.PathOf(Path.Combine(run, "progress", stage), step));
        }

        var rl = Path.Combine(run, "rl");
        var newest = CheckpointFolder.Newest(rl);
        foreach (var step in CheckpointFolder.Steps(rl))
            yield return ($"rl {CheckpointFolder.StepName(step)}{(step == newest?.Step ? " (newest)" : "")}", CheckpointFolder.PathOf(rl, step));
        // What `latest` names and is not there is damage too.
        if (newest is { } named && !Directory.Exists(named.Path))
            yield return ($"rl {CheckpointFolder.StepName(named.Step)} (newest)", named.Path);
    }
}

/// <summary>The stage cache of an output folder.</summary>
internal static class CacheCommand
{
    internal static Command Create()
    {
        var clear = new Command(
            "clear",
            "Remove entries, so that their stages are computed again. Without a key or --all it removes nothing.\n\nExamples:\n  rlharness cache clear "
                + "42efbc14becc6b31\n  rlharness cache clear --all"
        );
        var output = Output();
        var keys = new Argument<string[]>("keys") { Description = "Keys of entries, as `cache list` shows them.", Arity = ArgumentArity.ZeroOrMore };
        var all = new Option<bool>("--all") { Description = "Every entry." };
        clear.Add(keys);
        clear.Add(all);
        clear.Add(output);
        clear.SetAction(parsed =>
            CommandLine.Guard(() => Clear(new StageCache(Path.Combine(parsed.GetValue(output)!, "cache")), parsed.GetValue(keys) ?? [], parsed.GetValue(all)))
        );
        return new("cache", "The cache of finished stages: list what it holds, compare it with what was put there, or remove entries.")
        {
            Of("list", "List entries by stage and key with their size.", verify: false),
            Of("verify", "Compare each file of each entry with the SHA-256 in its manifest. Exit code 1 when one is damaged.", verify: true),
            clear,
        };
    }

    private static Command Of(string name, string description, bool verify)
    {
        var output = Output();
        var command = new Command(name, $"{description}\n\nExample:\n  rlharness cache {name} --output checkpoints") { output };
        command.SetAction(parsed =>
            CommandLine.Guard(() =>
                SealedFolders.Print(
                    new StageCache(Path.Combine(parsed.GetValue(output)!, "cache")).Entries().Select(e => ($"{e.Stage} {e.Key}", e.Path)),
                    verify,
                    "the cache is empty"
                )
            )
        );
        return command;
    }

    private static int Clear(StageCache cache, string[] keys, bool all)
    {
        var entries = cache.Entries();
        if (keys.Except(entries.Select(e => e.Key)).ToArray() is { Length: > 0 } unknown)
            throw new HarnessException(
                ErrorKind.BadInput,
                $"{cache.Root} has no such entry",
                string.Join(", ", unknown),
                entries.Count == 0 ? "nothing: the cache is empty" : string.Join(", ", entries.Select(e => e.Key)),
                "list them with `cache list`"
            );
        if (keys.Length == 0 && !all)
            throw new HarnessException(ErrorKind.BadInput, "nothing to remove was named", expected: "keys of entries, or --all");
        foreach (var entry in entries.Where(e => all || keys.Contains(e.Key)))
        {
            StageCache.Remove(entry);
            Console.WriteLine($"removed {entry.Path}");
        }

        return 0;
    }

    private static Option<string> Output() =>
        new("--output") { Description = "The output folder whose cache it is.", DefaultValueFactory = _ => "checkpoints" };
}

/// <summary>Sealed folders, one a line.</summary>
internal static class SealedFolders
{
    /// <returns>The exit code: a check that failed where one is damaged.</returns>
    internal static int Print(IEnumerable<(string Name, string Path)> folders, bool verify, string none)
    {
        var (any, damaged) = (false, 0);
        foreach (var (name, path) in folders)
        {
            any = true;
            var damage = verify ? CheckpointFolder.Damage(path) : null;
            Console.WriteLine($"{name,-32} {Size(path),12}  {path}{(verify ? damage is null ? "  whole" : "  DAMAGED" : "")}");
            if (damage is null)
                continue;
            damaged++;
            Console.Error.WriteLine(damage.Message.Split(Environment.NewLine + "  do:")[0]);
        }

        if (!any)
            Console.WriteLine(none);
        return damaged == 0 ? 0 : (int)ExitCode.CheckFailed;
    }

    private static string Size(string path) =>
        !Directory.Exists(path)
            ? "missing"
            : string.Create(
                CultureInfo.InvariantCulture,
                $"{new DirectoryInfo(path).EnumerateFiles("*", SearchOption.AllDirectories).Sum(f => f.Length) / 1048576.0:n1} MiB"
            );
}
