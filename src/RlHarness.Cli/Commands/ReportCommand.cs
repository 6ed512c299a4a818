using System.CommandLine;
using RlHarness.Cli.Terminal;
using RlHarness.Core.Runs;
using RlHarness.Recipes.Reporting;
using RlHarness.Tracking.Metrics;
using RlHarness.Tracking.Report;
using RlHarness.Tracking.Store;

namespace RlHarness.Cli.Commands;

internal static class ReportCommand
{
    internal static Command Create()
    {
        var run = new Argument<string>("run") { Description = "A run's folder, or one that holds runs: a design's, a sweep's." };
        var detector = new Option<string?>("--detector") { Description = "Whose labels to draw; default: the grammar oracle." };
        var figure = new Option<string?>("--figure") { Description = "Also write the curve as an SVG file." };
        var transcripts = new Option<int>("--transcripts")
        {
            Description = "Transcripts to hold for each number before and after RL; a quarter of it at the steps between.",
            DefaultValueFactory = _ => 20,
        };
        var rebuild = new Option<bool>("--rebuild-metrics") { Description = "Also write metrics.jsonl anew from run.db; the run must be at rest." };
        var (quiet, json) = (Options.Quiet(), Options.Json());
        var command = new Command(
            "report",
            "Write report.html of a run, or of a folder of runs (a design, a sweep) to compare them: one self-contained file. Works while "
                + "a run goes on.\n\nExamples:\n  rlharness report checkpoints/quickstart\n  rlharness report checkpoints/quickstart --detector "
                + "keyword --figure curve.svg"
        )
        {
            run,
            detector,
            figure,
            transcripts,
            rebuild,
            quiet,
            json,
        };
        command.SetAction(parsed =>
            CommandLine.Guard(() =>
            {
                var folder = parsed.GetValue(run)!;
                var options = new ReportOptions
                {
                    Detector = parsed.GetValue(detector),
                    Transcripts = Options.Within("--transcripts", parsed.GetValue(transcripts), 0, 10_000),
                };
                var written = new List<string>();
                if (parsed.GetValue(rebuild))
                    written.Add(Rebuild(folder));
                using (var progress = ConsoleProgress.Create(parsed.GetValue(quiet) || parsed.GetValue(json), toError: true))
                    written.Add(RunReport.Write(folder, options, progress));
                if (parsed.GetValue(figure) is { } path)
                {
                    Core.Files.AtomicFile.WriteAllText(path, ReportBuilder.FigureSvg(folder, options));
                    written.Add(path);
                }

                if (parsed.GetValue(json))
                    JsonOutput.Print(new { Paths = written });
                else
                    written.ForEach(Console.WriteLine);
                return 0;
            })
        );
        return command;
    }

    private static string Rebuild(string path)
    {
        using var folder = RunFolder.Open(path);
        using var store = RunStore.OpenReadOnly(folder.Database);
        using var metrics = new MetricsJsonl(folder.Metrics);
        metrics.Rebuild(store);
        return folder.Metrics;
    }
}
