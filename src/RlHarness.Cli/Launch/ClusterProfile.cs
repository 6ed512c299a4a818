using System.Globalization;
using System.Text.RegularExpressions;
using RlHarness.Core.Settings;

namespace RlHarness.Cli.Launch;

/// <summary>
/// What a job asks of a cluster, and what its script does before the program starts: a file of configs/clusters, and the command line over it.
/// </summary>
internal sealed partial record ClusterProfile
{
    private const string Pmix = "pmix",
        None = "none";

    [Meaning("Partition (queue); null: the cluster's own default.")]
    public string? Partition { get; init; }

    [Meaning("Account that the job is charged to; null: the cluster's own default.")]
    public string? Account { get; init; }

    [Meaning("Quality of service; null: the cluster's own default.")]
    public string? Qos { get; init; }

    [Meaning("Features that the node must have, as sbatch --constraint reads them.")]
    public string? Constraint { get; init; }

    [Meaning("Time limit of one start of the job, as sbatch --time reads it; a run that needs more requeues itself.")]
    public string Time { get; init; } = "24:00:00";

    [Allowed(1, 4096)]
    [Meaning("Processes that share the work of a run over MPI.")]
    public int Ranks { get; init; } = 1;

    [Allowed(1, 1024)]
    [Meaning("Nodes of a run, each with the same number of ranks.")]
    public int Nodes { get; init; } = 1;

    [OneOf(Pmix, "pmi2", None)]
    [Meaning("What srun connects ranks by: pmix for Open MPI, pmi2 for MPICH (`srun --mpi=list` says what the cluster has); none leaves NCCL between GPUs.")]
    public string Mpi { get; init; } = None;

    [Allowed(1, 1024)]
    [Meaning("Cores of each rank, which takes all of them where the setting `threads` is 0.")]
    public int Cpus { get; init; } = 4;

    [Meaning("Memory of each node for the job, as sbatch --mem reads it, such as 32G; null: the cluster's own default.")]
    public string? Memory { get; init; }

    [Allowed(0, 1)]
    [Meaning("GPUs of each rank.")]
    public int Gpus { get; init; }

    [Allowed(1, 65535)]
    [Meaning("Seconds before the time limit at which SIGUSR1 is sent; null: twice what a step and a checkpoint took in an earlier run of these settings.")]
    public int? SignalBefore { get; init; }

    [Allowed(0, 1000000)]
    [Meaning("How many times a job requeues itself before it gives up.")]
    public int MaxRequeues { get; init; } = 200;

    [Meaning("Time limit of the job that writes the report.")]
    public string ReportTime { get; init; } = "30";

    [Meaning("Options of sbatch that have no key here, each a text such as --exclude=node7.")]
    public IReadOnlyList<string> Directives { get; init; } = [];

    [Meaning("Environment modules to load.")]
    public IReadOnlyList<string> Modules { get; init; } = [];

    [Meaning("Variables that are set for the program, each with its value.")]
    public IReadOnlyDictionary<string, string> Environment { get; init; } = new Dictionary<string, string>();

    [Meaning("Lines of bash before the program starts.")]
    public IReadOnlyList<string> Before { get; init; } = [];

    [Meaning("Further options of srun, each a text such as --cpu-bind=none.")]
    public IReadOnlyList<string> Srun { get; init; } = [];

    [Meaning("The built program as the node sees it, word by word, such as [dotnet, /opt/rlharness/rlharness.dll]; []: the one that runs `launch`.")]
    public IReadOnlyList<string> Program { get; init; } = [];

    [Meaning("A container that the program runs in; null: none.")]
    public ContainerSettings? Container { get; init; }

    /// <summary>What single values can't show.</summary>
    internal static IEnumerable<SettingsProblem> Problems(ClusterProfile p, WrittenSettings written)
    {
        SettingsProblem Problem(string key, string what) => new(key, written.Where(key) ?? "settings", what);
        foreach (var (key, time) in new[] { ("time", p.Time), ("report_time", p.ReportTime) })
            if (!SlurmTime().IsMatch(time))
                yield return Problem(key, $"\"{time}\"; expected minutes, minutes:seconds, hours:minutes:seconds, days-hours, or UNLIMITED");
        foreach (var (key, text) in Texts(p))
            if (text.Any(char.IsControl))
                yield return Problem(key, "holds a line break or another control character");
        foreach (var directive in p.Directives)
            if (!directive.StartsWith('-'))
                yield return Problem("directives", $"\"{directive}\"; expected an option of sbatch, such as --exclude=node7");
        foreach (var name in p.Environment.Keys)
            if (!VariableName().IsMatch(name))
                yield return Problem("environment", $"\"{name}\"; expected the name of a variable");
        if (p.Ranks % p.Nodes != 0)
            yield return Problem("nodes", $"{p.Nodes} for {p.Ranks} ranks; expected as many ranks on each node");
        // Each of them would be rank 0 of 1 and write the same folder; GPUs may have NCCL between them.
        if (p.Ranks > 1 && p.Mpi == None && p.Gpus == 0)
            yield return Problem("mpi", $"{None} for {p.Ranks} ranks; expected {Pmix} (Open MPI) or pmi2 (MPICH), whichever `srun --mpi=list` has");
        if (p.Container is { Image: "" })
            yield return Problem("container.image", "empty; expected a file or an address that the container's program reads");
        if (Seconds(p.Time) is { } limit && p.SignalBefore >= limit)
            yield return Problem("signal_before", $"{p.SignalBefore} s; the time limit is {limit} s, so that nothing would be computed");
    }

    /// <summary>Seconds of a time that <c>sbatch --time</c> reads; null for no limit.</summary>
    internal static long? Seconds(string time)
    {
        if (SlurmTime().Match(time) is not { Success: true } m || m.Groups["never"].Success)
            return null;
        long Part(string name) => m.Groups[name] is { Success: true, Value: var text } ? long.Parse(text, CultureInfo.InvariantCulture) : 0;
        return Part("d") * 86400 + Part("h") * 3600 + Part("m") * 60 + Part("s");
    }

    private static IEnumerable<(string Key, string Text)> Texts(ClusterProfile p) =>
        new (string Key, IEnumerable<string?> Texts)[]
        {
            ("partition", [p.Partition]),
            ("account", [p.Account]),
            ("qos", [p.Qos]),
            ("constraint", [p.Constraint]),
            ("memory", [p.Memory]),
            ("directives", p.Directives),
            ("modules", p.Modules),
            ("environment", p.Environment.Values),
            ("before", p.Before),
            ("srun", p.Srun),
            ("program", p.Program),
            ("container", [p.Container?.Image, .. p.Container?.Bind ?? [], .. p.Container?.Options ?? []]),
        }.SelectMany(t => t.Texts.OfType<string>().Select(x => (t.Key, x)));

    [GeneratedRegex(
        @"^(?:(?<m>\d+)(?::(?<s>[0-5]\d))?|(?<h>\d+):(?<m>[0-5]\d):(?<s>[0-5]\d)|"
            + @"(?<d>\d+)-(?<h>\d+)(?::(?<m>[0-5]\d)(?::(?<s>[0-5]\d))?)?|(?<never>UNLIMITED))$"
    )]
    private static partial Regex SlurmTime();

    [GeneratedRegex("^[A-Za-z_][A-Za-z0-9_]*$")]
    private static partial Regex VariableName();
}

/// <summary>A container that the program runs in. The folder where `launch` was given, and the program's, are bound.</summary>
internal sealed record ContainerSettings
{
    [OneOf("apptainer", "singularity")]
    [Meaning("The program that runs it.")]
    public string Kind { get; init; } = "apptainer";

    [Meaning("The image, a file or an address.")]
    public string Image { get; init; } = "";

    [Meaning("Further folders that the program sees, as --bind reads them.")]
    public IReadOnlyList<string> Bind { get; init; } = [];

    [Meaning("Further options of `exec`; --nv is given where the job has a GPU.")]
    public IReadOnlyList<string> Options { get; init; } = [];
}
