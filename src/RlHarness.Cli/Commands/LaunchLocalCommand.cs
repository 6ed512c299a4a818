using System.CommandLine;
using System.Globalization;
using RlHarness.Cli.Launch;
using RlHarness.Cli.Terminal;

namespace RlHarness.Cli.Commands;

internal static class LaunchLocalCommand
{
    internal static Command Create()
    {
        var ranks = new Option<int>("--ranks") { Description = "Processes that share the work of the run.", Required = true };
        var mpi = new Option<string?>("--mpi") { Description = "openmpi or mpich; left out: the one that is here, Open MPI first." };
        mpi.AcceptOnlyFromAmong(LocalMpi.OpenMpi, LocalMpi.Mpich);
        var dryRun = new Option<bool>("--dry-run") { Description = "Print the command; start nothing." };
        var rest = new Argument<string[]>("command")
        {
            Description = "What each process runs: train, resume or eval, as alone.",
            Arity = ArgumentArity.OneOrMore,
        };
        var command = new Command(
            "local",
            "Run a command on this machine by several processes that share its work over MPI, as mpirun would: found, bound and started so that each takes its "
                + "part of the cores. Ctrl-C, SIGTERM, SIGHUP and SIGUSR1 save and stop it.\n\nExamples:\n  rlharness launch local --ranks 2 -- train "
                + "configs/quickstart.yaml\n  rlharness launch local --ranks 4 --mpi mpich -- resume checkpoints/quickstart"
        )
        {
            ranks,
            mpi,
            dryRun,
            rest,
        };
        command.SetAction(
            (parsed, cancellation) =>
                CommandLine.GuardAsync(() =>
                {
                    var count = Options.Within("--ranks", parsed.GetValue(ranks), 1, 4096);
                    var line = LocalMpi.Line(count, parsed.GetValue(mpi), [.. LaunchCommand.Program(), .. parsed.GetValue(rest)!]);
                    if (!parsed.GetValue(dryRun))
                        return LocalMpi.Run(line, cancellation);
                    Console.WriteLine(string.Join(' ', line.Environment.Select(e => $"{e.Name}={e.Value}").Concat(line.Words)));
                    return 0;
                })
        );
        return command;
    }
}
