using System.CommandLine;
using System.Globalization;
using RlHarness.Cli.Launch;
using RlHarness.Cli.Terminal;
using RlHarness.Core.Errors;
using RlHarness.Core.Runs;
using RlHarness.Recipes.Reporting;

namespace RlHarness.Cli.Commands;

/// <summary>How far the runs of a folder are: from their files, and from Slurm's queue where there is one.</summary>
internal static class StatusCommand
{
    internal static Command Create()
    {
        var folder = new Argument<string>("folder") { Description = "A run's folder, or one that holds runs: checkpoints, a design's, an array's." };
        var json = Options.Json();
        var command = new Command(
            "status",
            "Show the runs of a folder: state (waiting, running, stopped, finished, failed), Slurm's job, stage, step, time left in the stage, last alarm, and "
                + "when they were written to. Reads alone, and keeps no run waiting.\n\nExamples:\n  rlharness status checkpoints\n  rlharness status "
                + "checkpoints/factorial --json"
        )
        {
            folder,
            json,
        };
        command.SetAction(parsed =>
            CommandLine.Guard(() =>
            {
                var runs = Read(parsed.GetValue(folder)!, Slurm.Queue(), TimeProvider.System);
                if (parsed.GetValue(json))
                    JsonOutput.Print(runs.Select(r => Row.Of(r)));
                else if (runs.Count == 0)
                    Console.WriteLine("no runs here");
                else
                    Print(runs, TimeProvider.System.GetUtcNow());
                return 0;
            })
        );
        return command;
    }

    /// <summary>Runs in a folder and one level below, by name, and jobs whose run has not begun.</summary>
    internal static IReadOnlyList<RunStatus> Read(string folder, IReadOnlyDictionary<string, QueuedJob>? queue, TimeProvider time)
    {
        if (!Directory.Exists(folder))
            throw new HarnessException(ErrorKind.BadFile, $"{folder}: no such folder", "nothing at this path", "a run's folder, or one that holds runs");
        var root = Path.TrimEndingDirectorySeparator(Path.GetFullPath(folder));
        bool? Runs(string job) => queue is null ? null : queue.TryGetValue(job, out var queued) && !queued.IsWaiting;
        string[] runs = RunFolder.IsRun(root)
            ? [root]
            : [.. Folders(root).Concat(Folders(root).Where(d => !RunFolder.IsRun(d)).SelectMany(Folders)).Where(RunFolder.IsRun)];
        var launched = Records(RunFolder.IsRun(root) ? Path.GetDirectoryName(root)! : root)
            .SelectMany(r => r.Runs)
            .Where(r => !RunFolder.IsRun(root) || r.Folder == root)
            .GroupBy(r => r.Folder)
            .ToDictionary(g => g.Key, g => g.Last(), StringComparer.Ordinal);
        return
        [
            .. runs.Select(r => RunStatus.Read(r, time, Runs))
                .Concat(launched.Where(l => !runs.Contains(l.Key)).Select(l => NotBegun(l.Value)))
                .Select(s => WithJob(s, launched.GetValueOrDefault(s.Folder), queue))
                .Select(s => s with { Name = s.Folder == root ? s.Name : Path.GetRelativePath(root, s.Folder) })
                .OrderBy(s => s.Name, StringComparer.Ordinal),
        ];
    }

    private static string[] Folders(string folder) => [.. Directory.EnumerateDirectories(folder).Order(StringComparer.Ordinal)];

    private static IEnumerable<LaunchRecord> Records(string root) =>
        new[] { root }
            .Concat(Folders(root))
            .Select(f => Path.Combine(f, "jobs"))
            .Where(Directory.Exists)
            .SelectMany(f => (string[])[f, .. Folders(f)])
            .Distinct(StringComparer.Ordinal)
            .Select(LaunchRecord.Read)
            .OfType<LaunchRecord>()
            .OrderBy(r => r.Submitted);

    private static RunStatus NotBegun(LaunchedRun run) =>
        new(run.Name, run.Folder, RunState.Failed, run.Job, null, null, null, null, null, null, $"the job left the queue before the run began: {run.Log}");

    /// <summary>A run whose newest job waits, waits; of one that runs in a job, that job is said.</summary>
    private static RunStatus WithJob(RunStatus status, LaunchedRun? launched, IReadOnlyDictionary<string, QueuedJob>? queue)
    {
        if (launched is null || status.State is RunState.Running or RunState.Finished)
            return status;
        if (queue is null)
            // Without Slurm's word a run that has not begun may wait just as well.
            return status.LastWritten is null ? status with { Job = launched.Job, State = RunState.Waiting, Detail = "Slurm does not answer" } : status;
        if (!queue.TryGetValue(launched.Job, out var job))
            return status;
        return status with { Job = launched.Job, State = job.IsWaiting ? RunState.Waiting : RunState.Running, Detail = job.Words };
    }

    private static void Print(IReadOnlyList<RunStatus> runs, DateTimeOffset now)
    {
        string[][] rows =
        [
            ["run", "state", "job", "stage", "step", "left", "last alarm", "written"],
            .. runs.Select(r =>
                (string[])
                    [
                        r.Name,
                        Word(r.State),
                        r.Job ?? "–",
                        r.Stage ?? "–",
                        r.Step is { } step
                            ? r.Steps is { } all
                                ? $"{Number(step)}/{Number(all)}"
                                : Number(step)
                            : "–",
                        r.Left is { } left ? Time(left) : "–",
                        r.LastAlarm ?? "–",
                        r.LastWritten is { } written ? Time(now - written) + " ago" : "–",
                    ]
            ),
        ];
        int[] widths = [.. Enumerable.Range(0, rows[0].Length).Select(i => rows.Max(r => r[i].Length))];
        foreach (var (row, i) in rows.Select((r, i) => (r, i)))
        {
            Console.WriteLine(string.Join("  ", row.Select((c, k) => c.PadRight(widths[k]))).TrimEnd());
            if (i > 0 && runs[i - 1].Detail is { } detail)
                Console.WriteLine("  " + detail);
        }
    }

    private static string Word(RunState state) => state.ToString().ToLowerInvariant();

    private static string Number(long n) => n.ToString(CultureInfo.InvariantCulture);

    private static string Time(TimeSpan t) =>
        t.TotalSeconds < 60 ? string.Create(CultureInfo.InvariantCulture, $"{Math.Max(0, t.TotalSeconds):0} s")
        : t.TotalMinutes < 60 ? string.Create(CultureInfo.InvariantCulture, $"{t.TotalMinutes:0} min")
        : t.TotalHours < 48 ? string.Create(CultureInfo.InvariantCulture, $"{t.TotalHours:0.0} h")
        : string.Create(CultureInfo.InvariantCulture, $"{t.TotalDays:0.0} d");

    /// <summary>What <c>--json</c> prints of a run.</summary>
    private sealed record Row(
        string Name,
        string Folder,
        string State,
        string? Job,
        string? Stage,
        long? Step,
        long? Steps,
        double? SecondsLeft,
        string? LastAlarm,
        DateTimeOffset? LastWritten,
        string? Detail
    )
    {
        internal static Row Of(RunStatus r) =>
            new(r.Name, r.Folder, Word(r.State), r.Job, r.Stage, r.Step, r.Steps, r.Left?.TotalSeconds, r.LastAlarm, r.LastWritten, r.Detail);
    }
}
