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
            Description = "Show what each stage costs (time, memory, disk) and what effect the design can see; start nothing.",
        };
        var everySetting = Options.Settings();
        var (quiet, json) = (Options.Quiet(), Options.Json());
        var orResume = new Option<bool>("--or-resume")
        {
            Description = "Go on with the run of this name where there is one with these settings: what a job that is started again calls.",
        };
        var command = new Command(
            "train",
            "Run the stages of a settings file: corpus, imitation tuning, reward model, PPO with evaluations. Ends with a table and the "
                + "paths of run.db, metrics.jsonl and report.html. Ctrl-C, SIGTERM, SIGHUP and SIGUSR1 save and stop it; `resume` goes on.\n\n"
                + "Examples:\n  rlharness train "
                + "configs/quickstart.yaml\n  rlharness train configs/quickstart.yaml seed=2 rl.steps=10 name=short\n  rlharness train "
                + "configs/smollm2.yaml model.path=/models/SmolLM2-135M-Instruct device=cuda --dry-run\n\nEvery key: docs/settings.md."
        )
        {
            config,
            overrides.WithKeys(),
            dryRun,
            everySetting,
            orResume,
            quiet,
            json,
        };
        command.SetAction(
            (parsed, cancellation) =>
                RankedCommand.GuardAsync(cancellation, ranks =>
                {
                    Options.RequireDryRun(parsed.GetValue(everySetting), parsed.GetValue(dryRun));
                    var file = SettingsFiles.Find(parsed.GetValue(config)!);
                    var settings = SettingsReader.Read<RunSettings>(file, parsed.GetValue(overrides) ?? [], SettingsChecks.Of);
                    if (parsed.GetValue(dryRun))
                    {
                        if (!ranks.IsFirst)
                            return 0;
                        if (parsed.GetValue(json))
                            PlanTable.PrintJson(settings, parsed.GetValue(everySetting));
                        else
                            PlanTable.Print(settings, parsed.GetValue(everySetting));
                        return 0;
                    }

                    using var progress = RankedCommand.Progress(parsed.GetValue(quiet) || parsed.GetValue(json));
                    var recipe = new TrainRecipe(progress, TimeProvider.System, cancellation, ranks);
                    var said = "train " + parsed.GetValue(config);
                    var folder = parsed.GetValue(orResume) ? recipe.StartOrResume(settings, said) : recipe.Start(settings, said);
                    progress.Dispose();
                    if (ranks.IsFirst)
                        RunTable.Print(folder, json: parsed.GetValue(json));
                    return 0;
                })
        );
        return command;
    }
}

internal static class ResumeCommand
{
    internal static Command Create()
    {
        var run = new Argument<string>("run") { Description = "A run's folder, such as checkpoints/quickstart." };
        var changes = new Argument<string[]>("changes")
        {
            Description = "key=value pairs of settings that may change: rl.steps=200 makes a run longer whose learning rate is constant.",
            Arity = ArgumentArity.ZeroOrMore,
        };
        var (from, quiet, json) = (Options.From(), Options.Quiet(), Options.Json());
        var command = new Command(
            "resume",
            "Go on with a run that was stopped: finished stages are kept, the others go on from their newest checkpoint, and the run ends as one that "
                + "was never stopped, to the bit.\n\nExamples:\n  rlharness resume checkpoints/quickstart\n  rlharness resume checkpoints/quickstart "
                + "rl.steps=200\n  rlharness resume checkpoints/quickstart --from 30"
        )
        {
            run,
            changes.WithKeys(),
            from,
            quiet,
            json,
        };
        command.SetAction(
            (parsed, cancellation) =>
                RankedCommand.GuardAsync(cancellation, ranks =>
                {
                    using var progress = RankedCommand.Progress(parsed.GetValue(quiet) || parsed.GetValue(json));
                    var folder = new TrainRecipe(progress, TimeProvider.System, cancellation, ranks).Resume(
                        parsed.GetValue(run)!,
                        parsed.GetValue(changes) ?? [],
                        parsed.GetValue(from)
                    );
                    progress.Dispose();
                    if (ranks.IsFirst)
                        RunTable.Print(folder, json: parsed.GetValue(json));
                    return 0;
                })
        );
        return command;
    }
}
