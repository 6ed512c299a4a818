using System.Globalization;
using RlHarness.Experiment.Prompts;
using RlHarness.Statistics;
using RlHarness.Tracking.Metrics;
using RlHarness.Tracking.Store;
using Spectre.Console;

namespace RlHarness.Cli.Terminal;

/// <summary>
/// AF rates by detectors that were scored against a labelled sample: raw beside corrected, with the sensitivity and specificity that they have at
/// this step.
/// </summary>
internal static class CorrectedTable
{
    internal static void Print(IReadOnlyList<SummaryRow> rows)
    {
        var step = rows.Max(r => r.Step);
        var last = rows.Where(r => r.Step == step).ToArray();
        string[] detectors = [.. last.Where(r => r.Metric == MetricNames.Detector("sensitivity")).Select(r => r.Detector)];
        if (detectors.Length == 0)
            return;
        var table = new Table()
            .Title(string.Create(CultureInfo.InvariantCulture, $"AF rate by other detectors, step {step}: raw and corrected by the labelled sample"))
            .AddColumns("detector", "tier", "raw", "Rogan–Gladen", "prediction-powered", "sensitivity", "specificity");
        foreach (var detector in detectors)
        {
            foreach (var tier in Enum.GetValues<Tier>().Where(t => last.Any(r => r.Detector == detector && r.Tier == t)))
            {
                string Cell(string metric, Tier? of) =>
                    last.FirstOrDefault(r => r.Detector == detector && r.Metric == metric && r.Tier == of) is { } r && !double.IsNaN(r.Estimate.Value)
                        ? Text(r.Estimate)
                        : "–";
                var rate = MetricNames.AfReasoningRate;
                table.AddRow(
                    detector,
                    tier.ToString().ToLowerInvariant(),
                    Cell(rate, tier),
                    Cell($"{rate}/{MetricNames.RoganGladen}", tier),
                    Cell($"{rate}/{MetricNames.PredictionPowered}", tier),
                    Cell(MetricNames.Detector("sensitivity"), null),
                    Cell(MetricNames.Detector("specificity"), null)
                );
            }
        }

        if (Console.IsOutputRedirected)
            AnsiConsole.Profile.Width = 160;
        AnsiConsole.Write(table);
    }

    private static string Text(Estimate e) =>
        double.IsNaN(e.Low)
            ? string.Create(CultureInfo.InvariantCulture, $"{100 * e.Value:f1}")
            : string.Create(CultureInfo.InvariantCulture, $"{100 * e.Value:f1} ({100 * e.Low:f1} " + $"to {100 * e.High:f1})");
}
