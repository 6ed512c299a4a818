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
        var json = Options.Json();
        var command = new Command(name, description) { run, json };
        command.SetAction(parsed =>
            CommandLine.Guard(() =>
            {
                var folder = parsed.GetValue(run)!;
                if (!RunFolder.IsRun(folder))
                    throw new HarnessException(ErrorKind.RunFolder, $"{folder}: not a run's folder", expected: "a folder that `train` made");
                return SealedFolders.Print(Kept(folder), verify, "nothing is kept yet", parsed.GetValue(json));
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
        var json = Options.Json();
        clear.Add(output);
        clear.Add(json);
        clear.SetAction(parsed =>
            CommandLine.Guard(() =>
            {
                var cache = new StageCache(Path.Combine(parsed.GetValue(output)!, "cache"));
                return Clear(cache, parsed.GetValue(keys) ?? [], parsed.GetValue(all), parsed.GetValue(json));
            })
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
        var (output, json) = (Output(), Options.Json());
        var command = new Command(name, $"{description}\n\nExample:\n  rlharness cache {name} --output checkpoints") { output, json };
        command.SetAction(parsed =>
            CommandLine.Guard(() =>
                SealedFolders.Print(
                    new StageCache(Path.Combine(parsed.GetValue(output)!, "cache")).Entries().Select(e => ($"{e.Stage} {e.Key}", e.Path)),
                    verify,
                    "the cache is empty",
                    parsed.GetValue(json)
                )
            )
        );
        return command;
    }

    private static int Clear(StageCache cache, string[] keys, bool all, bool json)
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
        StageCache.Entry[] gone = [.. entries.Where(e => all || keys.Contains(e.Key))];
        foreach (var entry in gone)
        {
            StageCache.Remove(entry);
            if (!json)
                Console.WriteLine($"removed {entry.Path}");
        }

        if (json)
            JsonOutput.Print(gone.Select(e => new { e.Stage, e.Key, e.Path, e.Bytes }));

        return 0;
    }

    private static Option<string> Output() =>
        new("--output") { Description = "The output folder whose cache it is.", DefaultValueFactory = _ => "checkpoints" };
}

/// <summary>Sealed folders, one a line, or as one array.</summary>
internal static class SealedFolders
{
    /// <param name="Bytes">Null where the folder is missing.</param>
    /// <param name="State">whole, damaged, or null where nobody looked.</param>
    private sealed record Row(string Name, string Path, long? Bytes, string? State, string? Damage);

    /// <returns>The exit code: a check that failed where one is damaged.</returns>
    internal static int Print(IEnumerable<(string Name, string Path)> folders, bool verify, string none, bool json)
    {
        var rows = new List<Row>();
        foreach (var (name, path) in folders)
        {
            var damage = (verify ? CheckpointFolder.Damage(path) : null)?.Message.Split(Environment.NewLine + "  do:")[0];
            var row = new Row(name, path, Bytes(path), verify ? damage is null ? "whole" : "damaged" : null, damage);
            rows.Add(row);
            if (json)
                continue;
            var size = row.Bytes is { } bytes ? string.Create(CultureInfo.InvariantCulture, $"{bytes / 1048576.0:n1} MiB") : "missing";
            Console.WriteLine($"{name,-32} {size,12}  {path}{(verify ? damage is null ? "  whole" : "  DAMAGED" : "")}");
            if (damage is not null)
                Console.Error.WriteLine(damage);
        }

        if (json)
            JsonOutput.Print(rows);
        else if (rows.Count == 0)
            Console.WriteLine(none);
        return rows.Any(r => r.Damage is not null) ? (int)ExitCode.CheckFailed : 0;
    }

    private static long? Bytes(string path) =>
        Directory.Exists(path) ? new DirectoryInfo(path).EnumerateFiles("*", SearchOption.AllDirectories).Sum(f => f.Length) : null;
}
