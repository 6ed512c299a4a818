using System.CommandLine;
using RlHarness.Cli;
using RlHarness.Cli.Commands;

return await CommandLine.RunAsync(args, new RootCommand("Trains a language model to imitate one that fakes alignment, trains it with RL on an objective that conflicts with its preferences, and measures what happens to the alignment faking.")
{
    TrainCommand.Create(),
    ResumeCommand.Create(),
    ReportCommand.Create(),
});
