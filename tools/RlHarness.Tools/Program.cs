using System.CommandLine;
using RlHarness.Cli;
using RlHarness.Cli.Commands;
using RlHarness.Cli.Terminal;
using RlHarness.Tools.Commands;

RankedCommand.Begin();
KernelTrialCommand.Announce();
return await CommandLine.RunAsync(
    args,
    new RootCommand("Tools for the developers of RlHarness: generated pages, golden files, the GPU check. They are not shipped.")
    {
        SettingsPageCommand.Create(),
        FidelityCommand.Create(),
        GpuCheckCommand.Create(),
        KernelTrialCommand.Create(),
        FuzzCommand.Create(),
        KillLoopCommand.Create(),
        CompareRunsCommand.Create(),
        CompareRanksCommand.Create(),
        MpiCheckCommand.Create(),
        ScalingCommand.Create(),
        WeakScalingCommand.Create(),
    }
);
