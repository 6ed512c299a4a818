using RlHarness.Core.Errors;
using RlHarness.Core.Progress;
using RlHarness.Models.Native;
using RlHarness.Training.Collectives;

namespace RlHarness.Cli.Terminal;

/// <summary>
/// A command that several processes may do together, as a launcher started them. The first rank prints; another one prints only what ends it while the first
/// does not end with an error of its own. An error of one rank ends all of them with its code; a stop is that of all, and so is its code.
/// </summary>
internal static class RankedCommand
{
    /// <summary>How long an error of a rank waits for the first one to say its own, which is mostly the same.</summary>
    private static readonly TimeSpan Grace = TimeSpan.FromSeconds(3);

    /// <summary>Longest that the first rank may take to end, once it fails: it copies a checkpoint aside.</summary>
    private static readonly TimeSpan LastWords = TimeSpan.FromMinutes(10);

    /// <summary>How long MPI may take to end the others.</summary>
    private static readonly TimeSpan AbortTime = TimeSpan.FromSeconds(5);

    /// <summary>A rank's standard output may be a terminal that its launcher made, and is a file all the same.</summary>
    internal static void Begin()
    {
        // Before the first use of Console, which else writes to the terminal what sets its mode.
        if (Launcher.Current is not null)
            Environment.SetEnvironmentVariable("TERM", "dumb");
    }

    /// <summary>Does the work as one process, or as one of several. On a thread of its own, which makes all calls of MPI and NCCL.</summary>
    internal static Task<int> GuardAsync(CancellationToken cancellation, Func<Ranks, int> work)
    {
        if (Launcher.Current is not { Size: > 1 } launcher)
            return CommandLine.GuardAsync(() => work(new Ranks(new OneProcess(), cancellation)));
        StopSignals.Heed();
        return Task.Run(() => Run(launcher, cancellation, work));
    }

    /// <exception cref="HarnessException">Several processes were started for a command that one does.</exception>
    internal static void RefuseRanks(string command)
    {
        if (Launcher.Current is { Size: > 1 } launcher)
            throw new HarnessException(
                ErrorKind.BadInput,
                $"{command} is done by one process",
                $"{launcher.Size} started by {launcher.Name}",
                "train, resume or eval, which ranks share",
                "start it alone; its runs go over ranks by `launch local` or mpirun, one by one"
            );
    }

    /// <summary>Shows progress where this process is the one that prints.</summary>
    /// <param name="quiet">Warnings alone.</param>
    internal static IDisposableProgress Progress(bool quiet) => Launcher.Prints ? ConsoleProgress.Create(quiet) : new SilentProgress(warns: false);

    private static int Run(Launcher launcher, CancellationToken cancellation, Func<Ranks, int> work)
    {
        ICollectives? joined = null;
        var opened = CommandLine.Outcome(() =>
        {
            // Tasks that no MPI connects have NCCL between their GPUs, or nothing.
            joined = launcher.Family is null && Nccl.IsThere && Devices.CudaCount() > 0 ? Nccl.Open(launcher) : Mpi.Open(launcher);
            return 0;
        });
        if (joined is null)
        {
            if (launcher.Rank > 0)
                Wait(Grace);
            return CommandLine.Report(opened);
        }

        var ranks = new Ranks(joined, cancellation);
        using var watch = new RankWatch(ranks.Rank, ranks.Size, message =>
        {
            Console.Error.WriteLine($"error: {message}{Environment.NewLine}  do:       go on with: rlharness resume RUN, on any number of ranks");
            AbortNow(joined, (int)ExitCode.Resource);
        });
        ranks.Watch = watch;
        var outcome = CommandLine.Outcome(() => work(ranks));
        if (outcome.Code != 0 && !(outcome.Stopped && ranks.Agreed.IsCancellationRequested))
            return Fail(ranks, joined, outcome);
        // A signal may have reached one rank alone.
        var code = (int)ranks.Gather("exit codes", () => (double[])[outcome.Code != 0 && StopSignals.HasCome ? outcome.Code : 0]).Max(c => c[0]);
        if (ranks.IsFirst)
            CommandLine.Report(outcome);
        Console.Out.Flush();
        joined.Dispose();
        return code != 0 ? code : outcome.Code;
    }

    private static int Fail(Ranks ranks, ICollectives joined, CommandLine.Result outcome)
    {
        ranks.Watch?.Failing();
        if (!ranks.IsFirst)
        {
            Wait(Grace);
            var clock = TimeProvider.System;
            var started = clock.GetTimestamp();
            while (ranks.Watch?.FirstIsFailing() == true && clock.GetElapsedTime(started) < LastWords)
                Wait(TimeSpan.FromSeconds(1));
            outcome = outcome with { Message = ranks.Prefix + outcome.Message };
        }

        CommandLine.Report(outcome);
        AbortNow(joined, outcome.Code);
        return outcome.Code;
    }

    /// <summary>Ends all ranks; this one also where MPI does not come to it, since its calls are another thread's.</summary>
    private static void AbortNow(ICollectives joined, int code)
    {
        Console.Out.Flush();
        var abort = new Thread(() => joined.Abort(code)) { IsBackground = true };
        abort.Start();
        abort.Join(AbortTime);
        StopSignals.ExitNow(code);
    }

    private static void Wait(TimeSpan time)
    {
        using var never = new ManualResetEventSlim();
        never.Wait(time);
    }
}
