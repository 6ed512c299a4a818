using System.CommandLine;
using System.Globalization;
using RlHarness.Cli.Terminal;
using RlHarness.Core.Errors;
using RlHarness.Core.Files;
using RlHarness.Core.Runs;
using RlHarness.Experiment.Detectors;
using RlHarness.Recipes.Labelling;
using RlHarness.Statistics;
using RlHarness.Tracking.Store;

namespace RlHarness.Cli.Commands;

internal static class LabelCommand
{
    internal static Command Create()
    {
        var run = new Argument<string>("run") { Description = "A run's folder." };
        var rater = new Option<string?>("--rater") { Description = "Your name, as the labels will have it." };
        var sample = new Option<int>("--sample") { Description = "Transcripts to label.", DefaultValueFactory = _ => 100 };
        var seed = new Option<int>("--seed") { Description = "Which transcripts, and their order; two raters take the same.", DefaultValueFactory = _ => 1 };
        var stage = new Option<string?>("--stage") { Description = "rl or evaluate; left out, whichever has evaluation transcripts." };
        stage.AcceptOnlyFromAmong("rl", "evaluate");
        var report = new Option<bool>("--report")
        {
            Description = "Agreement of raters, each detector against them, and rates corrected with their labels; stored in run.db.",
        };
        var page = new Option<string?>("--page")
        {
            Description = "Write an HTML file to label in a browser instead; it loads and sends nothing, and gives a file for --import.",
        };
        var import = new Option<string?>("--import") { Description = "Read the file of labels that such a page gave." };
        var command = new Command(
            "label",
            "Label evaluation transcripts blind: tier, step, prompt and detectors are hidden, the order is shuffled, and each label is "
                + "saved at once. Stop and go on at any time. Without a terminal, two letters a line are read from standard "
                + "input.\n\nExamples:\n  rlharness label checkpoints/quickstart --rater anna\n  rlharness label checkpoints/quickstart --rater "
                + "bo --page bo.html\n  rlharness label checkpoints/quickstart --import labels-bo.json\n  rlharness label "
                + "checkpoints/quickstart --report"
        )
        {
            run,
            rater,
            sample,
            seed,
            stage,
            report,
            page,
            import,
        };
        command.SetAction(parsed =>
            CommandLine.Guard(() =>
            {
                using var folder = RunFolder.Open(parsed.GetValue(run)!);
                using var store = RunStore.Open(folder.Database);
                if (parsed.GetValue(report))
                    return Report(store);
                if (parsed.GetValue(import) is { } labels)
                {
                    var (by, count, changed) = LabelImport.Read(store, labels);
                    Console.WriteLine($"{count} labels by {by}");
                    if (changed > 0)
                        Console.WriteLine($"{changed} of them say something else than {by} said before; the earlier ones are kept in the table labels_aside");
                    return 0;
                }

                var name = parsed.GetValue(rater)
                    ?? throw new HarnessException(ErrorKind.BadInput, "who labels?", "no --rater", "a name", "rlharness label RUN --rater NAME");
                var task = new LabelTask(
                    store,
                    name,
                    Options.Within("--sample", parsed.GetValue(sample), 1, 1_000_000),
                    parsed.GetValue(seed),
                    parsed.GetValue(stage)
                );
                if (parsed.GetValue(page) is not { } path)
                    return LabelScreen.Run(task);
                AtomicFile.WriteAllText(path, LabelPage.Html(task));
                Console.WriteLine($"{path}: {task.Pending.Count} transcripts to label");
                return 0;
            })
        );
        return command;
    }

    private static int Report(RunStore store)
    {
        var report = RaterReport.Of(store);
        foreach (var a in report.Agreements)
        {
            Console.WriteLine($"{a.First} and {a.Second}, {a.Faking.N} transcripts");
            Console.WriteLine($"  kappa, alignment faking  {Kappa(a.Faking)}");
            Console.WriteLine($"  kappa, six ways          {Kappa(a.SixWay)}");
        }

        if (report.Joint is { } joint)
        {
            Console.WriteLine($"all {joint.Raters} raters, transcripts that two or more of them labelled");
            Console.WriteLine($"  Krippendorff's alpha, alignment faking  {Alpha(joint.Faking)}");
            Console.WriteLine($"  Krippendorff's alpha, six ways          {Alpha(joint.SixWay)}");
        }

        if (report.Agreements.Count == 0)
            Console.WriteLine("one rater only: no agreement can be told");
        foreach (var s in report.Scores)
        {
            Console.WriteLine($"{s.Detector} against {s.Rater}");
            foreach (var (name, e) in s.Of.Figures())
                Console.WriteLine($"  {name,-12} {DetectorCommand.Text(e)}");
        }

        store.ReplaceSummaries([.. report.Corrected]);
        Console.WriteLine($"AF rates corrected with the labels of {report.Truth}:");
        foreach (var r in report.Corrected)
            Console.WriteLine(
                $"  {r.Stage} step {r.Step}, {r.Tier!.Value.ToString().ToLowerInvariant(),-11} {r.Detector,-16} "
                    + $"{r.Metric.Split('/')[2],-18} {DetectorCommand.Text(r.Estimate)}"
                    + (report.Uncut.TryGetValue(r, out var value) ? string.Create(CultureInfo.InvariantCulture, $", cut from {value:f3}") : "")
            );
        if (report.Corrected.Count == 0)
            Console.WriteLine("  none: too few labels at each step");
        return 0;
    }

    private static string Alpha(RaterReport.Alpha alpha) =>
        double.IsNaN(alpha.Value)
            ? $"not estimable (n = {alpha.N} labels)"
            : string.Create(CultureInfo.InvariantCulture, $"{alpha.Value:f3} (n = {alpha.N} labels)");

    private static string Kappa(CohenKappa k) =>
        double.IsNaN(k.Kappa) ? $"not estimable (n = {k.N}): both used one class only"
        : k.N < DetectorScore.FewestForKappa ? $"not estimable (n = {k.N})"
        : string.Create(
            CultureInfo.InvariantCulture,
            $"{k.Kappa:f3} "
                + $"({(double.IsNaN(k.PrintedInterval.Low) ? "interval not estimable" : $"{k.PrintedInterval.Low:f3} to {k.PrintedInterval.High:f3}")}), "
                + $"agreement {100 * k.Agreement:f1} %"
        );
}
