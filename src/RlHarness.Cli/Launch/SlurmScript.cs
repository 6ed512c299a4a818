using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;

namespace RlHarness.Cli.Launch;

/// <summary>All that a job's script is written from.</summary>
internal sealed record SlurmJob
{
    public required string Name { get; init; }

    public required ClusterProfile Profile { get; init; }

    /// <summary>Where the program is started; an absolute path.</summary>
    public required string WorkingFolder { get; init; }

    /// <summary>Where the job's output goes; an absolute path.</summary>
    public required string LogFolder { get; init; }

    /// <summary>The built program, word by word.</summary>
    public required IReadOnlyList<string> Program { get; init; }

    /// <summary>Seconds before the time limit at which SIGUSR1 is sent.</summary>
    public required int SignalSeconds { get; init; }

    /// <summary>Settings files of the runs, each a task of its own where there are several or <see cref="IsArray"/> says so.</summary>
    public required IReadOnlyList<string> Configs { get; init; }

    public bool IsArray { get; init; }

    /// <summary>Tasks that run at once; null: as many as there is room for.</summary>
    public int? AtOnce { get; init; }
}

/// <summary>
/// Job scripts as text. What Slurm does, and why a script is as it is: docs/cluster.md. The program is a job step (<c>srun</c>), since <c>--signal</c> without
/// <c>B:</c> goes to steps alone, and since a program outside of a step is killed as soon as the batch shell ends.
/// </summary>
internal static partial class SlurmScript
{
    /// <summary>
    /// Seconds that the other ranks may live on after one has ended, in which they notice a death by themselves and say so. An end of all at the first code
    /// that is not 0 would overtake the codes of ranks that saved and stop.
    /// </summary>
    private const int RankWait = 30;

    /// <summary>The script of a run, or of an array of runs.</summary>
    internal static string Text(SlurmJob job)
    {
        var (script, profile) = (new StringBuilder(), job.Profile);
        void Line(string text = "") => script.Append(text).Append('\n');
        Head(script, job, job.Name, profile.Time);
        Line("#SBATCH --output=" + Directive(job.LogFolder.Replace("%", "%%", StringComparison.Ordinal) + (job.IsArray ? "/%A_%a.log" : "/%j.log")));
        Line("#SBATCH --open-mode=append");
        Line("#SBATCH --requeue");
        Line($"#SBATCH --signal=USR1@{Number(job.SignalSeconds)}");
        if (job.IsArray)
            Line($"#SBATCH --array=0-{Number(job.Configs.Count - 1)}{(job.AtOnce is { } most ? "%" + Number(most) : "")}");
        foreach (var directive in profile.Directives)
            Line("#SBATCH " + directive);
        Line();
        Line("# This shell outlives SIGTERM, so that the program has all of the time between SIGTERM and SIGKILL to save.");
        Line("trap : TERM");
        Prepare(script, profile);
        Line();
        if (job.IsArray)
        {
            Line("configs=(");
            foreach (var config in job.Configs)
                Line("    " + Shell(config));
            Line(")");
            Line("config=${configs[$SLURM_ARRAY_TASK_ID]}");
            Line("# By this name a task requeues itself alone; in the last task SLURM_JOB_ID is the whole array's.");
            Line("job=${SLURM_ARRAY_JOB_ID}_${SLURM_ARRAY_TASK_ID}");
        }
        else
        {
            Line("config=" + Shell(job.Configs[0]));
            Line("job=$SLURM_JOB_ID");
        }

        Line("restarts=${SLURM_RESTART_COUNT:-0}");
        Line("say() { echo \"$(date '+%Y-%m-%d %H:%M:%S') job $job, start $((restarts + 1)): $*\"; }");
        // The program warns where its steps take longer than this.
        Line($"export RLHARNESS_SIGNAL_SECONDS={Number(job.SignalSeconds)}");
        Line();
        Line("say \"$config on $(hostname)\"");
        Line($"{Step(job)} train \"$config\" --or-resume < /dev/null");
        Line("code=$?");
        Line("say \"the program ended with $code\"");
        Line();
        Line("# 75: stopped by SIGUSR1 and saved. 138: SIGUSR1 came before the program listened, so that there was nothing to save.");
        Line("if [ \"$code\" -ne 75 ] && [ \"$code\" -ne 138 ]; then exit \"$code\"; fi");
        Line($"if [ \"$restarts\" -ge {Number(profile.MaxRequeues)} ]; then");
        Line($"    say \"requeued {Number(profile.MaxRequeues)} times, which is all that max_requeues allows; launch it again to go on\"");
        Line("    exit 75");
        Line("fi");
        Line("say \"requeues itself\"");
        Line("scontrol requeue \"$job\" || say \"could not be requeued; launch it again to go on\"");
        Line("exit 75");
        return script.ToString();
    }

    /// <summary>The script of a job that runs the program once, without a GPU, after others: it writes a report.</summary>
    /// <param name="job">The job that it follows.</param>
    /// <param name="arguments">Of the program, word by word.</param>
    internal static string Report(SlurmJob job, IReadOnlyList<string> arguments)
    {
        var script = new StringBuilder();
        job = job with { Profile = job.Profile with { Gpus = 0, Ranks = 1, Nodes = 1 } };
        Head(script, job, job.Name + "-report", job.Profile.ReportTime);
        script.Append("#SBATCH --output=").Append(Directive(job.LogFolder.Replace("%", "%%", StringComparison.Ordinal) + "/report-%j.log")).Append('\n');
        foreach (var directive in job.Profile.Directives)
            script.Append("#SBATCH ").Append(directive).Append('\n');
        Prepare(script, job.Profile);
        script.Append('\n').Append(Step(job)).Append(' ').AppendJoin(' ', arguments.Select(Shell)).Append(" < /dev/null\n");
        return script.ToString();
    }

    private static void Head(StringBuilder script, SlurmJob job, string name, string time)
    {
        void Line(string text) => script.Append(text).Append('\n');
        void Set(string option, string? value)
        {
            if (value is not null)
                Line($"#SBATCH --{option}={Directive(value)}");
        }

        var profile = job.Profile;
        Line("#!/usr/bin/env bash");
        Line("# Written by rlharness launch slurm (docs/cluster.md); launching again writes it anew.");
        Set("job-name", name);
        Set("chdir", job.WorkingFolder);
        Set("time", time);
        Set("nodes", Number(profile.Nodes));
        Set("ntasks", Number(profile.Ranks));
        if (profile.Nodes > 1)
            Set("ntasks-per-node", Number(profile.Ranks / profile.Nodes));
        Set("cpus-per-task", Number(profile.Cpus));
        Set("mem", profile.Memory);
        // By node and not by task, so that a rank sees its neighbours' GPUs, which NCCL reaches directly, and takes its own by its number on the node.
        if (profile.Gpus > 0)
            Set(profile.Ranks == 1 ? "gpus" : "gpus-per-node", Number(profile.Gpus * profile.Ranks / profile.Nodes));
        Set("partition", profile.Partition);
        Set("account", profile.Account);
        Set("qos", profile.Qos);
        Set("constraint", profile.Constraint);
    }

    private static void Prepare(StringBuilder script, ClusterProfile profile)
    {
        void Line(string text) => script.Append(text).Append('\n');
        if (profile.Modules.Count + profile.Environment.Count + profile.Before.Count > 0)
            Line("");
        if (profile.Modules.Count > 0)
            Line("type module > /dev/null 2>&1 || . /etc/profile");
        foreach (var module in profile.Modules)
            Line($"module load {Shell(module)} || {{ echo 'error: a module could not be loaded' >&2; exit 4; }}");
        foreach (var (name, value) in profile.Environment)
            Line($"export {name}={Shell(value)}");
        foreach (var line in profile.Before)
            Line(line);
    }

    /// <summary>
    /// The program as a job step, by as many tasks as there are ranks, in its container where there is one. Since Slurm 22.05 a step does not take the job's
    /// cores by itself.
    /// </summary>
    private static string Step(SlurmJob job)
    {
        var profile = job.Profile;
        string[] ranks = profile.Ranks == 1 ? [] : [$"--mpi={profile.Mpi}", "--kill-on-bad-exit=0", $"--wait={Number(RankWait)}"];
        List<string> words = ["srun", $"--ntasks={Number(profile.Ranks)}", $"--cpus-per-task={Number(profile.Cpus)}", .. ranks, .. profile.Srun.Select(Shell)];
        if (profile.Container is { } container)
        {
            words.AddRange([container.Kind, "exec"]);
            if (profile.Gpus > 0)
                words.Add("--nv");
            foreach (var bind in Binds(job, container))
                words.AddRange(["--bind", Shell(bind)]);
            words.AddRange(["--pwd", Shell(job.WorkingFolder), .. container.Options.Select(Shell), Shell(container.Image)]);
        }

        words.AddRange(job.Program.Select(Shell));
        return string.Join(' ', words);
    }

    /// <summary>Folders that the program reads and writes. A program that the profile names is the image's own.</summary>
    private static IEnumerable<string> Binds(SlurmJob job, ContainerSettings container)
    {
        IEnumerable<string> own = [job.WorkingFolder, job.LogFolder];
        if (job.Profile.Program.Count == 0)
            own = own.Concat(job.Program.Where(Path.IsPathFullyQualified).Select(p => Path.GetDirectoryName(p)!));
        return own.Concat(container.Bind).Distinct(StringComparer.Ordinal);
    }

    private static string Number(int n) => n.ToString(CultureInfo.InvariantCulture);

    /// <summary>One word for bash.</summary>
    internal static string Shell(string word) => Plain().IsMatch(word) ? word : $"'{word.Replace("'", @"'\''", StringComparison.Ordinal)}'";

    /// <summary>One value for sbatch, which reads quotes as a shell does, but nothing else.</summary>
    private static string Directive(string value) =>
        Plain().IsMatch(value) ? value : $"\"{value.Replace(@"\", @"\\", StringComparison.Ordinal).Replace("\"", "\\\"", StringComparison.Ordinal)}\"";

    [GeneratedRegex("^[A-Za-z0-9_./:%@+,=-]+$")]
    private static partial Regex Plain();
}
