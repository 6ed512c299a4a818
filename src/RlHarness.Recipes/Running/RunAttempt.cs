using System.Globalization;
using System.Text.Json;
using RlHarness.Core.Errors;
using RlHarness.Core.Settings;
using RlHarness.Recipes.Settings;
using RlHarness.Tracking.Store;

namespace RlHarness.Recipes.Running;

/// <summary>A process that works on a run. Its log begins with it, and the run's store keeps the newest, so that `status` can tell whether it lives.</summary>
/// <param name="Started">When the process began: with its number, what tells it from a later process of the same number.</param>
/// <param name="Job">The number that Slurm knows the job by, <c>17</c> or <c>17_3</c> of an array; null outside of Slurm.</param>
/// <param name="Restart">How many times Slurm has requeued the job.</param>
/// <param name="SignalSeconds">How long before its time limit the job's script has SIGUSR1 sent; null where no script says so.</param>
internal sealed record RunAttempt(string Host, int Process, DateTimeOffset Started, string? Job, int Restart, double? SignalSeconds)
{
    /// <summary>Processes that work on the run together; 1 also for what earlier programs noted.</summary>
    public int Ranks { get; init; } = 1;

    /// <summary>The variable by which a job's script says how long before the limit it has SIGUSR1 sent.</summary>
    internal const string SignalVariable = "RLHARNESS_SIGNAL_SECONDS";

    private const string Key = "process/attempt";
    private static readonly JsonSerializerOptions Json = new() { PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower };

    internal static RunAttempt Current()
    {
        using var process = System.Diagnostics.Process.GetCurrentProcess();
        return Of(Environment.GetEnvironmentVariable, Environment.MachineName, process.Id, process.StartTime);
    }

    internal static RunAttempt Of(Func<string, string?> variable, string host, int process, DateTimeOffset started)
    {
        string? Set(string name) => variable(name) is { Length: > 0 } value ? value : null;
        // The last task of an array has the array's own number as SLURM_JOB_ID.
        var job = Set("SLURM_ARRAY_JOB_ID") is { } array && Set("SLURM_ARRAY_TASK_ID") is { } task ? $"{array}_{task}" : Set("SLURM_JOB_ID");
        double? Number(string name) => double.TryParse(Set(name), NumberStyles.Float, CultureInfo.InvariantCulture, out var n) ? n : null;
        return new(host, process, started, job, (int)(Number("SLURM_RESTART_COUNT") ?? 0), Number(SignalVariable));
    }

    internal void Keep(RunStore store) => store.KeepNote(Key, JsonSerializer.Serialize(this, Json));

    /// <summary>The process that worked on a run last; null for a run of an earlier program.</summary>
    internal static RunAttempt? Read(RunStore store)
    {
        try
        {
            return store.Note(Key) is { } note ? JsonSerializer.Deserialize<RunAttempt>(note, Json) : null;
        }
        catch (JsonException)
        {
            return null;
        }
    }

    /// <summary>Whether the process lives; null where another machine has to be asked.</summary>
    internal bool? IsAlive()
    {
        if (Host != Environment.MachineName)
            return null;
        try
        {
            using var process = System.Diagnostics.Process.GetProcessById(Process);
            return !process.HasExited && Math.Abs((process.StartTime - Started).TotalSeconds) < 5;
        }
        catch (Exception e) when (e is ArgumentException or InvalidOperationException or System.ComponentModel.Win32Exception)
        {
            return false;
        }
    }
}

/// <summary>What runs that were made before measured.</summary>
public static class EarlierRuns
{
    /// <summary>
    /// The longest step and checkpoint, together, of the newest run below a folder or in its folders that had these settings. The seed, where it was written
    /// and the date do not count.
    /// </summary>
    /// <returns>Seconds, and the run's folder; null where no run of these settings has measured them.</returns>
    public static (double Seconds, string Run)? StopTime(RunSettings settings, string folder)
    {
        ArgumentNullException.ThrowIfNull(settings);
        if (!Directory.Exists(folder))
            return null;
        var runs = Directory
            .EnumerateDirectories(folder)
            .SelectMany(d => (string[])[d, .. Directory.EnumerateDirectories(d)])
            .Where(d => File.Exists(Path.Combine(d, "run.db")) && File.Exists(Path.Combine(d, "config.yaml")))
            .OrderByDescending(d => File.GetLastWriteTimeUtc(Path.Combine(d, "run.db")))
            .ThenBy(d => d, StringComparer.Ordinal);
        foreach (var run in runs)
            if (Measured(run, settings) is { } seconds)
                return (seconds, run);
        return null;
    }

    private static double? Measured(string run, RunSettings settings)
    {
        try
        {
            var there = SettingsReader.Read<RunSettings>(Path.Combine(run, "config.yaml"), []);
            if (ChangedKeys.Of(settings with { Seed = there.Seed, Date = there.Date }, there).Count > 0)
                return null;
            using var store = RunStore.OpenReadOnly(Path.Combine(run, "run.db"));
            double[] seconds =
            [
                .. settings
                    .Stages.Select(s => store.Note(Running.StopTime.Key + s))
                    .OfType<string>()
                    .Select(n => JsonSerializer.Deserialize<StopTime>(n, Running.StopTime.Json)!.Seconds),
            ];
            return seconds.Length == 0 ? null : seconds.Max();
        }
        catch (Exception e) when (e is HarnessException or JsonException or IOException or UnauthorizedAccessException)
        {
            // A run that can't be read measures nothing; that it is damaged is for `status` and `report` to say.
            return null;
        }
    }
}
