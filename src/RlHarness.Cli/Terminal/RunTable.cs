using System.Globalization;
using RlHarness.Experiment.Evaluation;
using RlHarness.Experiment.Prompts;
using RlHarness.Statistics;
using RlHarness.Tracking.Metrics;
using RlHarness.Tracking.Store;
using Spectre.Console;

namespace RlHarness.Cli.Terminal;

/// <summary>What a run ends with: rates by tier before and after, and where everything is.</summary>
internal static class RunTable
{
    /// <param name="json">One object for programs: where everything is, and every figure of the stage.</param>
    internal static void Print(string folder, string stage = "rl", bool json = false)
    {
        if (json)
        {
            PrintJson(folder, stage);
            return;
        }

        using var store = RunStore.OpenSnapshot(Path.Combine(folder, "run.db"));
        var all = store.Summaries(stage: stage);
        SummaryRow[] rows = [.. all.Where(r => r.Split != Split.Scenario)];
        if (rows.Length > 0)
        {
            var detector = rows.Any(r => r.Detector == "grammar_oracle") ? "grammar_oracle" : rows[0].Detector;
            var mine = rows.Where(r => r.Detector == detector).ToArray();
            var (first, last) = (mine.Min(r => r.Step), mine.Max(r => r.Step));
            if (Console.IsOutputRedirected)
                AnsiConsole.Profile.Width = 120;
            var table = new Table().Title($"labels by {detector}; 95 % intervals").AddColumns("figure", "tier");
            table.AddColumns(Columns(stage, first, last));
            foreach (
                var (name, metric) in new[]
                {
                    ("AF rate", MetricNames.AfReasoningRate),
                    ("compliance", MetricNames.OutcomeComply),
                    ("refusal", MetricNames.OutcomeRefuse),
                    ("broken format", MetricNames.OutcomeBrokenFormat),
                    ("unreadable", MetricNames.OutcomeUnparsable),
                }
            )
                foreach (var tier in new[] { Tier.Training, Tier.Rated, Tier.Unmonitored }.Where(t => t != Tier.Rated || mine.Any(r => r.Tier == t)))
                    Row(name, metric, tier);
            foreach (
                var (name, metric) in new[]
                {
                    ("no verdict on AF", AlignmentFakingMetrics.UnreadRate),
                    ("no verdict on the output", AlignmentFakingMetrics.OutputUnreadRate),
                    ("AF rate, bounds", AlignmentFakingMetrics.Bounds(MetricNames.AfReasoningRate)),
                    ("compliance, bounds", AlignmentFakingMetrics.Bounds(MetricNames.OutcomeComply)),
                }
            )
                foreach (var tier in new[] { Tier.Training, Tier.Rated, Tier.Unmonitored }.Where(t => mine.Any(r => r.Metric == metric && r.Tier == t)))
                    Row(name, metric, tier);
            Row("compliance gap", MetricNames.AfComplianceGap, null);
            if (mine.Any(r => r.Metric == AlignmentFakingMetrics.Bounds(MetricNames.AfComplianceGap)))
                Row("compliance gap, bounds", AlignmentFakingMetrics.Bounds(MetricNames.AfComplianceGap), null);
            if (mine.Any(r => r.Metric == AlignmentFakingMetrics.RaterSycophancyGap))
            {
                Row("rater-sycophancy gap", AlignmentFakingMetrics.RaterSycophancyGap, null);
                Row("goal-guarding gap", AlignmentFakingMetrics.GoalGuardingGap, null);
            }

            AnsiConsole.Write(table);
            CorrectedTable.Print(rows);
            ScenarioTable.Print([.. all.Where(r => r.Split == Split.Scenario)], stage);

            void Row(string name, string metric, Tier? tier) =>
                table.AddRow([
                    name,
                    tier?.ToString().ToLowerInvariant() ?? "both",
                    .. Cells(mine, metric, tier, stage, first, last, tier is null ? "points" : "%"),
                ]);
        }

        foreach (var file in new[] { "run.db", "metrics.jsonl", "report.html" })
            Console.WriteLine(Path.Combine(folder, file));
    }

    private static void PrintJson(string folder, string stage)
    {
        using var store = RunStore.OpenReadOnly(Path.Combine(folder, "run.db"));
        JsonOutput.Print(
            new
            {
                Folder = folder,
                Database = Path.Combine(folder, "run.db"),
                Metrics = Path.Combine(folder, "metrics.jsonl"),
                Report = Path.Combine(folder, "report.html"),
                Stages = store.Stages().Select(s => new { s.Stage, s.Status, s.Detail }),
                Figures = store
                    .Summaries(stage: stage)
                    .Select(r => new
                    {
                        r.Stage,
                        r.Step,
                        r.Split,
                        r.Condition,
                        r.Detector,
                        r.Tier,
                        r.Metric,
                        r.Estimate.Value,
                        r.Estimate.Low,
                        r.Estimate.High,
                        r.Estimate.N,
                    }),
            }
        );
    }

    /// <summary>Before and after RL, or the one evaluation of another stage; n of the last.</summary>
    internal static string[] Columns(string stage, long first, long last) =>
        stage == "rl" ? [$"before RL (step {first})", $"after RL (step {last})", "n"] : [last == 0 ? "rate" : $"rate (step {last})", "n"];

    /// <summary>What stands in those columns.</summary>
    /// <param name="unit">Unit of the values × 100: % for rates, points for differences.</param>
    internal static string[] Cells(IReadOnlyList<SummaryRow> rows, string metric, Tier? tier, string stage, long first, long last, string unit)
    {
        Estimate? At(long step) => rows.FirstOrDefault(r => r.Step == step && r.Metric == metric && r.Tier == tier)?.Estimate;
        return [.. stage == "rl" ? new[] { Text(At(first), unit) } : [], Text(At(last), unit), At(last)?.N.ToString(CultureInfo.InvariantCulture) ?? "–"];
    }

    private static string Text(Estimate? estimate, string unit) =>
        estimate is not { } e ? "–"
        : double.IsNaN(e.Value) ? string.Create(CultureInfo.InvariantCulture, $"{100 * e.Low:f1} to {100 * e.High:f1} {unit}")
        : string.Create(CultureInfo.InvariantCulture, $"{100 * e.Value:f1} {unit} ({100 * e.Low:f1} to {100 * e.High:f1})");
}
