using System.CommandLine;
using RlHarness.Cli;
using RlHarness.Cli.Commands;
using RlHarness.Cli.Terminal;

RankedCommand.Begin();
KernelTrialCommand.Announce();
return await CommandLine.RunAsync(
    args,
    new RootCommand(
        "Trains a language model to imitate one that fakes alignment, trains it with RL on an objective that conflicts with its "
            + "preferences, and measures what happens to the alignment faking.\n\nStart with:\n  rlharness doctor                           "
            + "         what this machine offers\n  rlharness train configs/quickstart.yaml --dry-run   what a run costs and can see\n  "
            + "rlharness train configs/quickstart.yaml             a whole run on a tiny model, about five minutes on two cores\n\nExit "
            + "codes: 0 done, 1 a check failed, 2 command line or settings, 3 a file, 4 the machine, 5 the run's folder, 6 numerics, 70 a "
            + "defect; stopped and saved: 75 by SIGUSR1, to be started again, 129 by SIGHUP, 130 by Ctrl-C, 143 by SIGTERM (docs/cli.md)."
    )
    {
        TrainCommand.Create(),
        ResumeCommand.Create(),
        CheckpointCommand.Create(),
        CacheCommand.Create(),
        LaunchCommand.Create(),
        StatusCommand.Create(),
        EvalCommand.Create(),
        ReportCommand.Create(),
        WatchCommand.Create(),
        ExportCommand.Create(),
        GenerateCommand.Create(),
        ServeCommand.Create(),
        ExperimentCommand.Create(),
        PackCommand.Create(),
        LabelCommand.Create(),
        DetectorCommand.Create(),
        ProbeCommand.Create(),
        PowerCommand.Create(),
        SimulateCommand.Create(),
        ModelCommand.Create(),
        DoctorCommand.Create(),
        CompletionCommand.Create(),
        KernelTrialCommand.Create(),
    }
);
