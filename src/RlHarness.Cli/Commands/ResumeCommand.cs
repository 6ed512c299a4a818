using System.CommandLine;
using RlHarness.Cli.Terminal;
using RlHarness.Recipes;

namespace RlHarness.Cli.Commands;

internal static class ResumeCommand
{
    internal static Command Create()
    {
        var run = new Argument<string>("run") { Description = "A run's folder, such as checkpoints/quickstart." };
        var command = new Command(
            "resume",
            "Go on with a run that was stopped: finished stages are kept, RL goes on from its newest checkpoint.\n\nExample:\n  rlharness "
                + "resume checkpoints/quickstart"
        )
        {
            run,
        };
        command.SetAction(
            (parsed, cancellation) =>
                CommandLine.GuardAsync(() =>
                {
                    using var progress = ConsoleProgress.Create();
                    var folder = new TrainRecipe(progress, TimeProvider.System, cancellation).Resume(parsed.GetValue(run)!);
                    progress.Dispose();
                    RunTable.Print(folder);
                    return 0;
                })
        );
        return command;
    }
}
