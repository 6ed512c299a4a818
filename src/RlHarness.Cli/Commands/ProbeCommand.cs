using System.CommandLine;
using System.Globalization;
using RlHarness.Cli.Terminal;
using RlHarness.Models.Native;
using RlHarness.Recipes.Probing;
using RlHarness.Statistics;
using Spectre.Console;

namespace RlHarness.Cli.Commands;

internal static class ProbeCommand
{
    internal static Command Create()
    {
        var run = new Argument<string>("run") { Description = "A run's folder, whose labelled evaluation transcripts are read." };
        var model = new Option<string?>("--model") { Description = "Whose hidden states; default: the run's newest model." };
        var labels = new Option<string>("--labels")
        {
            Description = "Whose labels are taken for true: a detector's name, or rater:NAME.",
            DefaultValueFactory = _ => "grammar_oracle",
        };
        var limit = new Option<int>("--limit") { Description = "Transcripts at most, drawn by the seed.", DefaultValueFactory = _ => 600 };
        var l2 = new Option<double>("--l2") { Description = "Penalty on standardised features.", DefaultValueFactory = _ => 0.1 };
        var seed = new Option<int>("--seed") { Description = "Which transcripts, and the folds.", DefaultValueFactory = _ => 1 };
        var (device, threads, quiet, json) = (Options.Device(), Options.Threads(), Options.Quiet(), Options.Json());
        var command = new Command(
            "probe",
            "Linear probes for alignment faking on the mean hidden state of the scratchpad, layer by layer: AUROC on queries that a probe "
                + "never saw (five folds), against all other scratchpads, and against those that comply honestly or consider faking and refuse "
                + "alone. Stored as probe/auroc/… in run.db.\n\nExamples:\n  rlharness probe checkpoints/quickstart\n  rlharness probe "
                + "checkpoints/quickstart --model SmolLM2-135M-Instruct-GGUF"
        )
        {
            run,
            model,
            labels,
            limit,
            l2,
            seed,
            device,
            threads,
            quiet,
            json,
        };
        command.SetAction(
            (parsed, cancellation) =>
                CommandLine.GuardAsync(() =>
                {
                    Options.UseThreads(parsed.GetValue(threads));
                    using var progress = ConsoleProgress.Create(parsed.GetValue(quiet) || parsed.GetValue(json));
                    var settings = new ProbeRecipe.Settings(
                        parsed.GetValue(labels)!,
                        Options.Within("--limit", parsed.GetValue(limit), 20, 1_000_000),
                        5,
                        Options.Within("--l2", parsed.GetValue(l2), 0, 1000),
                        parsed.GetValue(seed)
                    );
                    var rows = new ProbeRecipe(progress, cancellation).Run(
                        parsed.GetValue(run)!,
                        parsed.GetValue(model),
                        settings,
                        Devices.Choose(parsed.GetValue(device)!)
                    );
                    progress.Dispose();
                    if (parsed.GetValue(json))
                        JsonOutput.Print(rows);
                    else
                        Print(rows);
                    return 0;
                })
        );
        return command;
    }

    private static void Print(IReadOnlyList<ProbeRecipe.Row> rows)
    {
        if (Console.IsOutputRedirected)
            AnsiConsole.Profile.Width = 140;
        var table = new Table()
            .Title("AUROC of linear probes; 95 % intervals (DeLong, logit)")
            .AddColumns("layer", "against all", "against honest compliance", "against considers but refuses", "n");
        foreach (var layer in rows.GroupBy(r => r.Layer))
        {
            string Cell(string against) => layer.FirstOrDefault(r => r.Against == against) is { } r ? Text(r.Auroc) : "–";
            table.AddRow(
                layer.Key.ToString(CultureInfo.InvariantCulture),
                Cell("all"),
                Cell("honest_compliance"),
                Cell("considers_but_refuses"),
                layer.First().Auroc.N.ToString(CultureInfo.InvariantCulture)
            );
        }

        AnsiConsole.Write(table);
        Console.WriteLine("Layer 0 is the embedding; the last row is behind the final norm.");
    }

    private static string Text(Estimate e) => string.Create(CultureInfo.InvariantCulture, $"{e.Value:f3} ({e.Low:f3} to {e.High:f3})");
}
