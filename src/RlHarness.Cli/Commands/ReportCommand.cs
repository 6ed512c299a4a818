using System.CommandLine;
using RlHarness.Tracking.Report;

namespace RlHarness.Cli.Commands;

internal static class ReportCommand
{
    internal static Command Create()
    {
        var run = new Argument<string>("run") { Description = "A run's folder." };
        var detector = new Option<string?>("--detector") { Description = "Whose labels to draw; default: the grammar oracle." };
        var figure = new Option<string?>("--figure") { Description = "Also write the curve as an SVG file." };
        var command = new Command("report", "Write report.html of a run: one self-contained file. Works while the run goes on.\n\nExamples:\n  rlharness report checkpoints/quickstart\n  rlharness report checkpoints/quickstart --detector keyword --figure curve.svg") { run, detector, figure };
        command.SetAction(parsed => CommandLine.Guard(() =>
        {
            var folder = parsed.GetValue(run)!;
            var options = new ReportOptions { Detector = parsed.GetValue(detector) };
            Console.WriteLine(ReportBuilder.Write(folder, options));
            if (parsed.GetValue(figure) is { } path)
            {
                Core.Files.AtomicFile.WriteAllText(path, ReportBuilder.FigureSvg(folder, options));
                Console.WriteLine(path);
            }

            return 0;
        }));
        return command;
    }
}
