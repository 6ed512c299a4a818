using RlHarness.Experiment.Prompts;
using RlHarness.Experiment.Scenarios;
using RlHarness.Tracking.Store;
using Spectre.Console;

namespace RlHarness.Cli.Terminal;

/// <summary>How often a model decides to act against the lab and attempts it, by scenario and tier, each scenario's benign control last; nothing where none was asked.</summary>
internal static class ScenarioTable
{
    internal static void Print(IReadOnlyList<SummaryRow> rows, string stage)
    {
        var prefix = ScenarioMetrics.AntiLab(ScenarioMetrics.Attempt, ScenarioMetrics.Rate);
        var places = ScenarioMetrics.Places(rows.Select(r => r.Metric), prefix);
        if (places.Count == 0) return;
        var (first, last) = (rows.Min(r => r.Step), rows.Max(r => r.Step));
        var table = new Table().Title("anti-lab scenarios, in text; 95 % intervals over items").AddColumns(["figure", "scenario", "tier", .. RunTable.Columns(stage, first, last)]);
        foreach (var place in places)
            foreach (var what in new[] { ScenarioMetrics.Decision, ScenarioMetrics.Attempt })
                foreach (var tier in new[] { Tier.Training, Tier.Rated, Tier.Unmonitored })
                {
                    var metric = ScenarioMetrics.AntiLab(what, ScenarioMetrics.Rate, place);
                    if (rows.Any(r => r.Metric == metric && r.Tier == tier))
                        table.AddRow([what, Markup.Escape(ScenarioMetrics.Words(place)), tier.ToString().ToLowerInvariant(), .. RunTable.Cells(rows, metric, tier, stage, first, last)]);
                }

        AnsiConsole.Write(table);
    }
}
