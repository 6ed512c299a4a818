using System.CommandLine;
using System.Globalization;
using RlHarness.Cli.Terminal;
using RlHarness.Recipes.Reading;
using RlHarness.Tracking.Export;

namespace RlHarness.Cli.Commands;

internal static class ExportCommand
{
    internal static Command Create()
    {
        var run = new Argument<string>("run") { Description = "A run's folder." };
        var folder = new Option<string?>("--out") { Description = "Where to; default: export/ in the run's folder." };
        var format = new Option<string>("--format")
        {
            Description =
                "jsonl, parquet, csv (with metrics and figures), inspect (one log of the UK AISI's Inspect for each evaluation), tensorboard, "
                + "or trl and trl-parquet (what was imitated, preference pairs and responses as TRL's data sets).",
            DefaultValueFactory = _ => "jsonl",
        };
        var json = Options.Json();
        var command = new Command(
            "export",
            "Write transcripts and labels of a run as files for other programs (columns: docs/data.md). Works while the run goes "
                + "on.\n\nExamples:\n  rlharness export checkpoints/quickstart\n  rlharness export checkpoints/quickstart --format parquet "
                + "--out tables\n  rlharness export checkpoints/quickstart --format inspect --out logs\n  rlharness export checkpoints/quickstart "
                + "--format tensorboard --out events"
        )
        {
            run,
            folder,
            format,
            json,
        };
        command.SetAction(parsed =>
            CommandLine.Guard(() =>
            {
                var source = parsed.GetValue(run)!;
                var result = RunExport.Write(source, parsed.GetValue(folder) ?? Path.Combine(source, "export"), parsed.GetValue(format)!, RunTokens.Of(source));
                if (parsed.GetValue(json))
                {
                    JsonOutput.Print(result);
                    return 0;
                }

                if (parsed.GetValue(format) != "tensorboard")
                {
                    var labels = result.Labels > 0 ? $", {result.Labels} labels" : "";
                    Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{result.Transcripts} transcripts{labels}"));
                }

                foreach (var path in result.Paths)
                    Console.WriteLine(path);
                return 0;
            })
        );
        return command;
    }
}
