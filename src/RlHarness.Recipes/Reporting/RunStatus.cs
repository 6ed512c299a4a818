using System.Globalization;
using System.Text.RegularExpressions;
using RlHarness.Core.Errors;
using RlHarness.Core.Runs;
using RlHarness.Core.Settings;
using RlHarness.Recipes.Running;
using RlHarness.Recipes.Settings;
using RlHarness.Tracking.Metrics;
using RlHarness.Tracking.Store;

namespace RlHarness.Recipes.Reporting;

/// <summary>Where a run stands.</summary>
public enum RunState
{
    /// <summary>A job of it is queued.</summary>
    Waiting,

    /// <summary>A process works on it.</summary>
    Running,

    /// <summary>It was stopped or killed before its end; `resume` goes on.</summary>
    Stopped,

    /// <summary>All of its stages are done.</summary>
    Finished,

    /// <summary>It ended with an error.</summary>
    Failed,
}

/// <summary>How far a run is, from its files alone, which are read without a lock and without keeping its writer waiting.</summary>
/// <param name="Job">The job that worked on it last, or that waits; null where none did.</param>
/// <param name="Stage">The stage that it is in, or was in last.</param>
/// <param name="Step">The newest step whose rows are written; 0 before the first.</param>
/// <param name="Steps">All steps of the stage; null where they are not known yet.</param>
/// <param name="Left">Time until the stage's end at the pace of its newest steps; null for a run that does not run, or before its second row.</param>
/// <param name="LastAlarm">Name, stage and step of the newest alarm.</param>
/// <param name="LastWritten">When something of it was written last.</param>
/// <param name="Detail">Why it failed or waits, in the words of whoever said so.</param>
public sealed partial record RunStatus(
    string Name,
    string Folder,
    RunState State,
    string? Job,
    string? Stage,
    long? Step,
    long? Steps,
    TimeSpan? Left,
    string? LastAlarm,
    DateTimeOffset? LastWritten,
    string? Detail
)
{
    /// <summary>On another machine, a run that nobody can be asked about lives as long as something was written this recently.</summary>
    private static readonly TimeSpan Recently = TimeSpan.FromMinutes(10);

    /// <summary>Steps whose pace is taken for that of the rest.</summary>
    private const int Paced = 20;

    /// <param name="folder">The run's folder.</param>
    /// <param name="time">The clock, for what is left.</param>
    /// <param name="runs">Whether a cluster's job runs; null where nobody knows.</param>
    public static RunStatus Read(string folder, TimeProvider time, Func<string, bool?>? runs = null)
    {
        ArgumentNullException.ThrowIfNull(time);
        var written = Written(folder);
        var status = new RunStatus(RunFolder.NameOf(folder), folder, RunState.Stopped, null, null, null, null, null, null, written, null);
        try
        {
            var database = Path.Combine(folder, "run.db");
            if (!File.Exists(database) || RunStore.IsBlank(database))
                return status with { Detail = "nothing was computed yet" };
            var settings = SettingsReader.Read<RunSettings>(Path.Combine(folder, "config.yaml"), []);
            using var store = RunStore.OpenReadOnly(database);
            var attempt = RunAttempt.Read(store);
            bool Lives() =>
                File.Exists(Path.Combine(folder, ".lock"))
                && (attempt?.IsAlive() ?? (attempt?.Job is { } job ? runs?.Invoke(job) : null) ?? time.GetUtcNow() - written < Recently);
            return At(status with { Job = attempt?.Job }, store, settings, attempt, Lives(), time.GetUtcNow());
        }
        catch (Exception e) when (e is HarnessException or IOException or UnauthorizedAccessException)
        {
            return status with { State = RunState.Failed, Detail = FirstLine(e.Message) };
        }
    }

    private static RunStatus At(RunStatus status, RunStore store, RunSettings settings, RunAttempt? attempt, bool lives, DateTimeOffset now)
    {
        var rows = store.Stages().ToDictionary(s => s.Stage, StringComparer.Ordinal);
        var stage = settings.Stages.FirstOrDefault(s => rows.GetValueOrDefault(s)?.Status != "done") ?? settings.Stages[^1];
        var row = rows.GetValueOrDefault(stage);
        var newest = store.NewestSteps(stage, MetricNames.LearningRate, Paced);
        long? steps =
            stage == StageNames.Rl ? settings.Rl.Steps
            : long.TryParse(store.Note($"steps/{stage}"), NumberStyles.None, CultureInfo.InvariantCulture, out var noted) ? noted
            : null;
        var state =
            lives ? RunState.Running
            : row?.Status == "done" ? RunState.Finished
            : row?.Status == "failed" ? RunState.Failed
            : RunState.Stopped;
        // A process that writes the report of a run whose stages are all done still works on it.
        return status with
        {
            State = state,
            Stage = stage,
            Step = stage == StageNames.Corpus ? null : newest.Select(s => (long?)s.Step).FirstOrDefault() ?? 0,
            Steps = steps,
            Left = lives && steps is { } all && row?.Status != "done" ? TimeLeft(newest, attempt, all, now) : null,
            LastAlarm = LastAlarmOf(store.Events()),
            Detail = state == RunState.Failed && row?.Detail is { } why ? FirstLine(why) : null,
        };
    }

    private static TimeSpan? TimeLeft(IReadOnlyList<(long Step, DateTimeOffset Time)> newest, RunAttempt? attempt, long steps, DateTimeOffset now)
    {
        // Between two attempts nothing was computed.
        var paced = newest.Where(s => attempt is null || s.Time >= attempt.Started).ToArray();
        if (paced.Length < 2)
            return null;
        var pace = (paced[0].Time - paced[^1].Time) / (paced[0].Step - paced[^1].Step);
        var left = pace * (steps - paced[0].Step) - (now - paced[0].Time);
        return left > TimeSpan.Zero ? left : TimeSpan.Zero;
    }

    private static string? LastAlarmOf(IReadOnlyList<EventRow> events) =>
        events
            .Reverse()
            .Where(e => e.Level == "warning")
            .Select(e => (Event: e, Key: AlarmKey().Match(e.Message)))
            .Where(a => a.Key.Success)
            .Select(a => string.Create(CultureInfo.InvariantCulture, $"{a.Key.Groups[1].Value} ({a.Event.Stage} {a.Event.Step})"))
            .FirstOrDefault();

    private static DateTimeOffset? Written(string folder)
    {
        DateTimeOffset[] times =
        [
            .. new[] { "run.db", "run.db-wal", "metrics.jsonl", "report.html", "run.json" }
                .Select(f => new FileInfo(Path.Combine(folder, f)))
                .Where(f => f.Exists)
                .Select(f => new DateTimeOffset(f.LastWriteTimeUtc)),
        ];
        return times.Length == 0 ? null : times.Max();
    }

    private static string FirstLine(string text) => text.Split('\n')[0].TrimEnd();

    [GeneratedRegex(@"\(alarms\.([a-z_]+)\)")]
    private static partial Regex AlarmKey();
}
