using RlHarness.Experiment.Prompts;
using RlHarness.Experiment.Scenarios;
using RlHarness.Tracking.Store;
using Spectre.Console;

namespace RlHarness.Cli.Terminal;

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
