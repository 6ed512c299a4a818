using System.ComponentModel;
using System.Diagnostics;
using System.Text.Json;
using RlHarness.Core.Errors;
using RlHarness.Core.Files;

namespace RlHarness.Cli.Launch;

/// <summary>Slurm's own commands, and what they said.</summary>
internal static class Slurm
{
    /// <summary>Hands a script to sbatch. Returns the job's number.</summary>
    /// <exception cref="HarnessException">There is no sbatch, or it did not take the job: its own words are in the message.</exception>
    internal static string Submit(string script, params string[] options)
    {
        var said = Run("sbatch", ["--parsable", .. options, script]);
        if (said.Code == 0)
            return said.Output.Trim().Split('\n')[^1].Split(';')[0];
        throw new HarnessException(
            ErrorKind.Resource,
            $"{script}: Slurm did not take the job",
            said.Error.Trim().ReplaceLineEndings(" "),
            "sbatch to print a job's number",
            "change the options or the profile that it speaks of (--partition, --time, …; `sinfo` lists partitions), and launch it again"
        );
    }

    /// <summary>This user's jobs in the queue, by number, each task of an array for itself; null where there is no Slurm, or it doesn't answer.</summary>
    internal static IReadOnlyDictionary<string, QueuedJob>? Queue()
    {
        Said said;
        try
        {
            said = Run("squeue", ["--noheader", "--array", "--me", "--format=%i|%T|%r|%S|%N"]);
        }
        catch (HarnessException)
        {
            return null;
        }

        return said.Code != 0 ? null : Read(said.Output);
    }

    /// <summary>Lines of <c>squeue --format=%i|%T|%r|%S|%N</c>.</summary>
    internal static IReadOnlyDictionary<string, QueuedJob> Read(string lines) =>
        lines
            .Split('\n', StringSplitOptions.RemoveEmptyEntries)
            .Select(l => l.Trim().Split('|'))
            .Where(f => f.Length == 5)
            .GroupBy(f => f[0])
            .ToDictionary(g => g.Key, g => new QueuedJob(g.First()[1], g.First()[2], g.First()[3], g.First()[4]), StringComparer.Ordinal);

    private static Said Run(string program, IReadOnlyList<string> arguments)
    {
        var start = new ProcessStartInfo(program)
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            RedirectStandardInput = true,
        };
        foreach (var argument in arguments)
            start.ArgumentList.Add(argument);
        try
        {
            using var process = Process.Start(start)!;
            process.StandardInput.Close();
            var error = process.StandardError.ReadToEndAsync();
            var output = process.StandardOutput.ReadToEnd();
            process.WaitForExit();
            return new(process.ExitCode, output, error.GetAwaiter().GetResult());
        }
        catch (Win32Exception e)
        {
            throw new HarnessException(
                ErrorKind.Resource,
                $"{program} can't be run",
                e.Message,
                "Slurm's commands in PATH",
                "launch it on a login node of the cluster; --dry-run prints the script anywhere; without Slurm: docs/cluster.md",
                e
            );
        }
    }

    private sealed record Said(int Code, string Output, string Error);
}

/// <param name="State">As squeue writes it: PENDING, RUNNING, COMPLETING …</param>
/// <param name="Reason">Why it waits, in Slurm's word: Resources, BeginTime, Dependency …</param>
/// <param name="Start">When it starts or started, or N/A.</param>
/// <param name="Node">Where it runs.</param>
internal sealed record QueuedJob(string State, string Reason, string Start, string Node)
{
    internal bool IsWaiting => State is "PENDING" or "CONFIGURING" or "REQUEUED" or "REQUEUE_HOLD" or "SUSPENDED";

    internal string Words =>
        State
        + (Reason is "" or "None" ? "" : $" ({Reason})")
        + (IsWaiting && Start is not ("" or "N/A") ? $", to start at {Start.Replace('T', ' ')}" : "")
        + (Node.Length > 0 ? $" on {Node}" : "");
}

/// <summary>What was launched together: kept beside the scripts, for `status` and for the next launch.</summary>
/// <param name="Report">The job that writes the report when all others have ended; null where none does.</param>
internal sealed record LaunchRecord(DateTimeOffset Submitted, IReadOnlyList<LaunchedRun> Runs, string? Report)
{
    internal const string FileName = "launched.json";

    private static readonly JsonSerializerOptions Json = new() { WriteIndented = true, PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower };

    internal void Write(string folder) => AtomicFile.WriteAllText(Path.Combine(folder, FileName), JsonSerializer.Serialize(this, Json) + "\n");

    /// <summary>The record in a folder; null where nothing was launched from it.</summary>
    internal static LaunchRecord? Read(string folder)
    {
        var path = Path.Combine(folder, FileName);
        return File.Exists(path) ? TextFile.ReadJson<LaunchRecord>(path, "a record of what was launched", "remove it, and launch again", Json) : null;
    }
}

/// <param name="Folder">The run's folder.</param>
/// <param name="Job">Slurm's number: <c>17</c>, or <c>17_3</c> of an array.</param>
/// <param name="Log">What the job prints.</param>
internal sealed record LaunchedRun(string Name, string Folder, string Job, string Log);
