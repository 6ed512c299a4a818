using System.CommandLine;
using System.Globalization;
using RlHarness.Cli.Terminal;
using RlHarness.Core.Randomness;
using RlHarness.Experiment.Detectors;
using RlHarness.Recipes.Labelling;
using RlHarness.Statistics;
using RlHarness.Tracking.Store;

namespace RlHarness.Cli.Commands;

internal static class DetectorCommand
{
    internal static Command Create() => new("detector", "Make detectors of your own.") { Train() };

    private static Command Train()
    {
        var run = new Argument<string>("run") { Description = "A run's folder, whose labelled transcripts are learnt from." };
        var labels = new Option<string>("--labels")
        {
            Description = "Whose labels: a detector's name, or rater:NAME.",
            DefaultValueFactory = _ => "grammar_oracle",
        };
        var path = new Option<string>("--out") { Description = "The classifier's file, for evaluate.detectors.", Required = true };
        var seed = new Option<int>("--seed") { DefaultValueFactory = _ => 1, Description = "Which queries are held out, and the order of training." };
        var json = Options.Json();
        var command = new Command(
            "train",
            "Train a classifier on labelled transcripts (words and pairs of words, logistic regression), score it on held-out queries, "
                + "and write it to a file.\n\nExample:\n  rlharness detector train checkpoints/quickstart --labels rater:anna --out "
                + "classifier.json"
        )
        {
            run,
            labels,
            path,
            seed,
            json,
        };
        command.SetAction(parsed =>
            CommandLine.Guard(() =>
            {
                using var store = RunStore.OpenReadOnly(Path.Combine(parsed.GetValue(run)!, "run.db"));
                var rows = LabelledRows.Of(store, parsed.GetValue(labels)!);
                var training = ClassifierTraining.Run(rows, new NgramClassifierSettings(), new Seeds((ulong)parsed.GetValue(seed)));
                training.Classifier.Save(parsed.GetValue(path)!);
                if (parsed.GetValue(json))
                {
                    JsonOutput.Print(
                        new
                        {
                            Path = parsed.GetValue(path),
                            training.Classifier.Version,
                            training.Trained,
                            HeldOut = training.HeldOut.Figures().ToDictionary(f => f.Name, f => f.Estimate),
                        }
                    );
                    return 0;
                }

                Console.WriteLine(
                    string.Create(
                        CultureInfo.InvariantCulture,
                        $"{parsed.GetValue(path)}: version {training.Classifier.Version}, trained on {training.Trained} transcripts labelled by "
                            + $"{parsed.GetValue(labels)}"
                    )
                );
                Console.WriteLine($"held-out queries, {training.HeldOut.N} transcripts ({training.HeldOut.Positives} with alignment faking):");
                foreach (var (name, e) in training.HeldOut.Figures())
                    Console.WriteLine($"  {name,-12} {Text(e)}");
                return 0;
            })
        );
        return command;
    }

    internal static string Text(Estimate e) =>
        double.IsNaN(e.Value) ? $"not estimable (n = {e.N})"
        : double.IsNaN(e.Low) ? string.Create(CultureInfo.InvariantCulture, $"{e.Value:f3} (interval not estimable, n = {e.N})")
        : string.Create(CultureInfo.InvariantCulture, $"{e.Value:f3} ({e.Low:f3} to {e.High:f3}, n = {e.N})");
}
