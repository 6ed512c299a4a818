using System.CommandLine;
using RlHarness.Cli.Terminal;
using RlHarness.Core.Settings;
using RlHarness.Recipes;
using RlHarness.Recipes.Settings;

namespace RlHarness.Cli.Commands;

internal static class TrainCommand
{
    internal static Command Create()
    {
        var config = new Argument<string>("config") { Description = "A YAML file, such as configs/quickstart.yaml." };
        var overrides = new Argument<string[]>("overrides")
        {
            Description = "key=value pairs over the file, such as rl.optimizer.learning_rate=1e-5.",
            Arity = ArgumentArity.ZeroOrMore,
        };
        var dryRun = new Option<bool>("--dry-run")
        {
            Description = "Show resolved settings, what each stage costs, and what effect the design can see; start nothing.",
        };
        var command = new Command(
            "train",
            "Run the stages of a settings file: corpus, imitation tuning, reward model, PPO with evaluations. Ends with a table and the "
                + "paths of run.db, metrics.jsonl and report.html. Ctrl-C stops it; `resume` goes on.\n\nExamples:\n  rlharness train "
                + "configs/quickstart.yaml\n  rlharness train configs/quickstart.yaml seed=2 rl.steps=10 name=short\n  rlharness train "
                + "configs/smollm2.yaml model.path=/models/SmolLM2-135M-Instruct device=cuda --dry-run\n\nEvery key: docs/settings.md."
        )
        {
            config,
            overrides,
            dryRun,
        };
        command.SetAction(
            (parsed, cancellation) =>
                CommandLine.GuardAsync(() =>
                {
                    var settings = SettingsReader.Read<RunSettings>(parsed.GetValue(config)!, parsed.GetValue(overrides) ?? [], SettingsChecks.Of);
                    if (parsed.GetValue(dryRun))
                    {
                        PlanTable.Print(settings);
                        return 0;
                    }

                    using var progress = ConsoleProgress.Create();
                    var folder = new TrainRecipe(progress, TimeProvider.System, cancellation).Start(settings, "train " + parsed.GetValue(config));
                    progress.Dispose();
                    RunTable.Print(folder);
                    return 0;
                })
        );
        return command;
    }
}
