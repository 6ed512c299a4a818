using System.CommandLine;
using System.Globalization;
using RlHarness.Cli.Terminal;
using RlHarness.Core.Errors;
using RlHarness.Core.Settings;
using RlHarness.Recipes;
using RlHarness.Recipes.Reading;
using RlHarness.Recipes.Settings;

namespace RlHarness.Cli.Commands;

internal static class EvalCommand
{
    internal static Command Create()
    {
        var target = new Argument<string>("target") { Description = "A run's folder, or a model (a folder or a GGUF file)." };
        var overrides = new Argument<string[]>("overrides")
        {
            Description = "key=value pairs over the settings, such as device=cuda.",
            Arity = ArgumentArity.ZeroOrMore,
        };
        var config = new Option<string?>("--config") { Description = "Settings for a model, such as configs/quickstart.yaml; a run has its own." };
        var queries = new Option<int?>("--queries") { Description = "As evaluate.queries." };
        var (from, quiet, json) = (Options.From(), Options.Quiet(), Options.Json());
        var threads = new Option<int?>("--threads") { Description = "As threads." };
        var samples = new Option<int?>("--samples") { Description = "As evaluate.samples_per_query." };
        var command = new Command(
            "eval",
            "The paired evaluation: the same queries in both tiers. Of a run: its newest RL checkpoint, into the run's own run.db (stage "
                + "evaluate) and report. Of a model with --config: into a new run folder.\n\nExamples:\n  rlharness eval checkpoints/quickstart "
                + "--queries 400\n  rlharness eval SmolLM2-135M-Instruct-GGUF --config configs/smollm2.yaml --queries 50"
        )
        {
            target,
            overrides.WithKeys(),
            config,
            queries,
            samples,
            from,
            threads,
            quiet,
            json,
        };
        command.SetAction(
            (parsed, cancellation) =>
                RankedCommand.GuardAsync(cancellation, ranks =>
                {
                    var all = new List<string>(parsed.GetValue(overrides) ?? []);
                    if (parsed.GetValue(queries) is { } q)
                        all.Add(string.Create(CultureInfo.InvariantCulture, $"evaluate.queries={q}"));
                    if (parsed.GetValue(samples) is { } s)
                        all.Add(string.Create(CultureInfo.InvariantCulture, $"evaluate.samples_per_query={s}"));
                    if (parsed.GetValue(threads) is { } t)
                        all.Add(string.Create(CultureInfo.InvariantCulture, $"threads={t}"));
                    using var progress = RankedCommand.Progress(parsed.GetValue(quiet) || parsed.GetValue(json));
                    var recipe = new EvaluateRecipe(progress, TimeProvider.System, cancellation, ranks);
                    var folder = Evaluate(recipe, parsed.GetValue(target)!, parsed.GetValue(config), all, parsed.GetValue(from));
                    progress.Dispose();
                    if (ranks.IsFirst)
                        RunTable.Print(folder, EvaluateRecipe.Stage, parsed.GetValue(json));
                    return 0;
                })
        );
        return command;
    }

    private static string Evaluate(EvaluateRecipe recipe, string target, string? config, List<string> overrides, int? from)
    {
        if (RunModel.IsRun(target))
        {
            return config is null
                ? recipe.OfRun(target, overrides, from)
                : throw new HarnessException(
                    ErrorKind.BadInput,
                    "--config is for models; a run has its own settings",
                    config,
                    "no --config",
                    "leave it out, or change single settings with key=value"
                );
        }

        if (from is not null)
            throw new HarnessException(ErrorKind.BadInput, $"{target} is not a run, which --from chooses a checkpoint of", $"--from {from}", "no --from");
        if (config is null)
            throw new HarnessException(
                ErrorKind.BadInput,
                $"{target} is not a run's folder, and there is no --config",
                "no run.json in it",
                "a run's folder, or a model with --config",
                "rlharness eval MODEL --config configs/quickstart.yaml"
            );
        var settings = SettingsReader.Read<RunSettings>(SettingsFiles.Find(config), overrides, SettingsChecks.OfEvaluation);
        return recipe.OfModel(target, settings, $"eval {target} --config {config}");
    }
}
