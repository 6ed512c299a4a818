using System.CommandLine;
using System.Globalization;
using RlHarness.Cli.Launch;
using RlHarness.Cli.Terminal;
using RlHarness.Core.Errors;
using RlHarness.Core.Settings;
using RlHarness.Recipes.Experiments;

namespace RlHarness.Cli.Commands;

internal static class LaunchCommand
{
    internal static Command Create() =>
        new("launch", "Hand runs to a cluster, or to several processes of this machine.") { SlurmCommand(), LaunchLocalCommand.Create() };

    private static Command SlurmCommand()
    {
        var config = new Argument<string>("config") { Description = "A run's settings, or a design of runs (factors or arms)." };
        var overrides = new Argument<string[]>("overrides")
        {
            Description = "key=value pairs over the file, as `train` and `experiment` take them.",
            Arity = ArgumentArity.ZeroOrMore,
        };
        var profile = new Option<string?>("--profile") { Description = "What the cluster wants: a YAML file, such as configs/clusters/modules.yaml." };
        var time = new Option<string?>("--time")
        {
            Description = "Time limit of one start of the job, such as 8:00:00; a run that needs more requeues itself.",
        };
        var ranks = new Option<int?>("--ranks") { Description = "Processes that share the work of a run over MPI; more than one need --mpi." };
        var nodes = new Option<int?>("--nodes") { Description = "Nodes of a run, each with the same number of ranks." };
        var mpi = new Option<string?>("--mpi") { Description = "What srun connects ranks by: pmix (Open MPI) or pmi2 (MPICH); see `srun --mpi=list`." };
        var gpus = new Option<int?>("--gpus") { Description = "GPUs of each rank: 0 or 1." };
        var cpus = new Option<int?>("--cpus") { Description = "Cores of each rank." };
        var memory = new Option<string?>("--memory") { Description = "Memory of each node, such as 32G." };
        var partition = new Option<string?>("--partition") { Description = "Partition (queue)." };
        var account = new Option<string?>("--account") { Description = "Account that is charged." };
        var array = new Option<string?>("--array") { Description = "Seeds, one run each: 1,2,3 or 1-8. A design without it takes its own seeds." };
        var parallel = new Option<int?>("--parallel") { Description = "Tasks of an array that run at once." };
        var signal = new Option<int?>("--signal-before")
        {
            Description =
                "Seconds before the limit at which the run is told to save. Left out: from an earlier run of these settings, else "
                + $"{SlurmLaunch.UsualSignalSeconds}.",
        };
        var dryRun = new Option<bool>("--dry-run") { Description = "Print the scripts; write and submit nothing." };
        var json = new Option<bool>("--json") { Description = "Print the jobs as one JSON object, for programs." };
        var command = new Command(
            "slurm",
            "Write and submit the job of a run, or an array of jobs over seeds or over the cells of a design, with a report at its end. The run saves before "
                + "the time limit and requeues itself until it is finished; finished runs are left out, so that the same command goes on.\n\nExamples:\n  "
                + "rlharness launch slurm configs/quickstart.yaml --time 1:00:00 --dry-run\n  rlharness launch slurm configs/smollm2.yaml --gpus 1 "
                + "--profile configs/clusters/modules.yaml\n  rlharness launch slurm configs/smollm2.yaml --nodes 2 --ranks 8 --mpi pmix\n  "
                + "rlharness launch slurm configs/quickstart.yaml --array 1-8 --parallel 4\n  rlharness launch "
                + "slurm configs/factorial.yaml --partition cpu\n\nWhat a cluster does with it: docs/cluster.md."
        )
        {
            config,
            overrides.WithKeys(),
            profile,
            time,
            ranks,
            nodes,
            mpi,
            gpus,
            cpus,
            memory,
            partition,
            account,
            array,
            parallel,
            signal,
            dryRun,
            json,
        };
        command.SetAction(parsed =>
            CommandLine.Guard(() =>
            {
                string[] over =
                [
                    .. Given("time", parsed.GetValue(time)),
                    .. Given("ranks", parsed.GetValue(ranks)),
                    .. Given("nodes", parsed.GetValue(nodes)),
                    .. Given("mpi", parsed.GetValue(mpi)),
                    .. Given("gpus", parsed.GetValue(gpus)),
                    .. Given("cpus", parsed.GetValue(cpus)),
                    .. Given("memory", parsed.GetValue(memory)),
                    .. Given("partition", parsed.GetValue(partition)),
                    .. Given("account", parsed.GetValue(account)),
                    .. Given("signal_before", parsed.GetValue(signal)),
                ];
                var request = new LaunchRequest(
                    SettingsFiles.Find(parsed.GetValue(config)!),
                    parsed.GetValue(overrides) ?? [],
                    parsed.GetValue(profile) is { } file
                        ? SettingsReader.Read<ClusterProfile>(SettingsFiles.Find(file), over, ClusterProfile.Problems)
                        : SettingsReader.Parse<ClusterProfile>("command line", "", over, ClusterProfile.Problems),
                    parsed.GetValue(array) is { } list ? Seeds(list) : null,
                    parsed.GetValue(parallel) is { } most ? Options.Within("--parallel", most, 1, 100_000) : null
                );
                var set = RunSet.Read(request.Config, request.Overrides, request.Seeds, TimeProvider.System.GetLocalNow());
                var launch = new SlurmLaunch(request, set, Program());
                foreach (var warning in launch.Warnings())
                    Console.Error.WriteLine("warning: " + warning);
                if (parsed.GetValue(dryRun))
                    DryRun(launch);
                else
                    Submit(launch, parsed.GetValue(json));
                return 0;
            })
        );
        return command;
    }

    /// <summary>An option as a pair over the profile; in quotes, so that YAML reads a time as it stands.</summary>
    private static string[] Given(string key, object? value) =>
        value switch
        {
            null => [],
            string text => [$"{key}=\"{text.Replace(@"\", @"\\", StringComparison.Ordinal).Replace("\"", "\\\"", StringComparison.Ordinal)}\""],
            _ => [string.Create(CultureInfo.InvariantCulture, $"{key}={value}")],
        };

    /// <summary>Whole numbers and ranges of them, by commas.</summary>
    internal static IReadOnlyList<int> Seeds(string list)
    {
        var seeds = new List<int>();
        foreach (var part in list.Split(','))
        {
            var ends = part.Split('-').Select(e => int.TryParse(e.Trim(), NumberStyles.None, CultureInfo.InvariantCulture, out var n) ? n : -1).ToArray();
            if (ends.Length > 2 || ends.Any(e => e < 0) || ends[^1] < ends[0] || ends[^1] - ends[0] > 10_000)
                throw new HarnessException(ErrorKind.BadInput, "--array: not a list of seeds", $"\"{part}\"", "whole numbers and ranges, such as 1,2,5-8");
            seeds.AddRange(Enumerable.Range(ends[0], ends[^1] - ends[0] + 1));
        }

        return seeds;
    }

    /// <summary>This program, as it was started.</summary>
    internal static IReadOnlyList<string> Program()
    {
        var host = Environment.ProcessPath!;
        return Path.GetFileNameWithoutExtension(host) == "dotnet" ? [host, typeof(LaunchCommand).Assembly.Location] : [host];
    }

    private static void DryRun(SlurmLaunch launch)
    {
        Console.WriteLine($"# SIGUSR1 {launch.SignalSeconds} s before the limit: {launch.SignalSource}");
        if (launch.Finished > 0)
            Console.WriteLine($"# {launch.Finished} finished before");
        foreach (var (path, text) in launch.Scripts)
        {
            Console.WriteLine($"# {path}");
            Console.Write(text);
            Console.WriteLine();
        }

        Console.WriteLine("# nothing was written or submitted");
    }

    private static void Submit(SlurmLaunch launch, bool json)
    {
        if (json)
        {
            var submitted = launch.Waves.Count == 0 ? null : launch.Submit(TimeProvider.System);
            JsonOutput.Print(
                new
                {
                    submitted?.Submitted,
                    Runs = submitted?.Runs ?? [],
                    submitted?.Report,
                    launch.Finished,
                }
            );
            return;
        }

        if (launch.Waves.Count == 0)
        {
            Console.WriteLine($"nothing to submit: {launch.Finished} of {launch.Finished} runs are finished");
            return;
        }

        var record = launch.Submit(TimeProvider.System);
        var queue = Slurm.Queue();
        Console.WriteLine($"SIGUSR1 {launch.SignalSeconds} s before the limit: {launch.SignalSource}");
        if (launch.Finished > 0)
            Console.WriteLine($"{launch.Finished} finished before");
        foreach (var run in record.Runs)
            Console.WriteLine($"job {run.Job}: {run.Name}{(queue?.GetValueOrDefault(run.Job) is { } job ? ", " + job.Words : "")}; {run.Log}");
        if (record.Report is { } report)
            Console.WriteLine($"job {report}: the report, when all others have ended");
        Console.WriteLine($"how far they are: rlharness status {Path.GetDirectoryName(record.Runs[0].Folder)}");
    }
}
