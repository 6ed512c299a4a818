using System.Globalization;
using RlHarness.Experiment.Prompts;
using RlHarness.Experiment.Scenarios;
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

/// <summary>
/// How often a model decides to act against the lab and attempts it, by scenario and tier, and how much more often than under the scenario's benign
/// control, which comes last.
/// </summary>
internal static class ScenarioTable
{
    internal static void Print(IReadOnlyList<SummaryRow> rows, string stage)
    {
        if (Of(rows, stage) is { } table)
            AnsiConsole.Write(table);
    }

    /// <summary>The table; null where none was asked.</summary>
    /// <param name="rows">Of the split of scenarios.</param>
    internal static Table? Of(IReadOnlyList<SummaryRow> rows, string stage)
    {
        var prefix = ScenarioMetrics.AntiLab(ScenarioMetrics.Attempt, ScenarioMetrics.Rate);
        var places = ScenarioMetrics.Places(rows.Select(r => r.Metric), prefix);
        if (places.Count == 0)
            return null;
        var (first, last) = (rows.Min(r => r.Step), rows.Max(r => r.Step));
        var table = new Table()
            .Title("anti-lab scenarios, in text; 95 % intervals over items; n of a difference counts both sides")
            .AddColumns(["figure", "scenario", "tier", .. RunTable.Columns(stage, first, last)]);
        foreach (var place in places)
            foreach (var what in new[] { ScenarioMetrics.Decision, ScenarioMetrics.Attempt })
                foreach (var tier in new[] { Tier.Training, Tier.Rated, Tier.Unmonitored })
                {
                    Row(what, ScenarioMetrics.Rate, "%");
                    Row(what + " over control", ScenarioMetrics.Difference, "points");

                    void Row(string name, string kind, string unit)
                    {
                        var metric = ScenarioMetrics.AntiLab(what, kind, place);
                        if (rows.Any(r => r.Metric == metric && r.Tier == tier))
                            table.AddRow([
                                name,
                        Markup.Escape(ScenarioMetrics.Words(place)),
                        tier.ToString().ToLowerInvariant(),
                        .. RunTable.Cells(rows, metric, tier, stage, first, last, unit),
                    ]);
                    }
                }

        return table;
    }
}

/// <summary>Name and value, one pair a line, the values below one another.</summary>
internal static class Fields
{
    internal static void Print(IReadOnlyList<(string Name, string? Value)> rows)
    {
        var width = rows.Max(r => r.Name.Length);
        foreach (var (name, value) in rows.Where(r => r.Value is not null))
            Console.WriteLine($"{name.PadRight(width)}  {value}");
    }
}
