using System.Globalization;
using RlHarness.Experiment.Prompts;
using RlHarness.Experiment.Statistics;
using RlHarness.Tracking.Metrics;
using RlHarness.Tracking.Store;
using Spectre.Console;

namespace RlHarness.Cli.Terminal;

/// <summary>What a run ends with: rates by tier before and after, and where everything is.</summary>
internal static class RunTable
{
    internal static void Print(string folder, string stage = "rl")
    {
        using var store = RunStore.OpenReadOnly(Path.Combine(folder, "run.db"));
        var rows = store.Summaries(stage: stage);
        if (rows.Count > 0)
        {
            var detector = rows.Any(r => r.Detector == "grammar_oracle") ? "grammar_oracle" : rows[0].Detector;
            var mine = rows.Where(r => r.Detector == detector).ToArray();
            var (first, last) = (mine.Min(r => r.Step), mine.Max(r => r.Step));
            if (Console.IsOutputRedirected) AnsiConsole.Profile.Width = 120;
            var table = new Table().Title($"labels by {detector}; 95 % intervals").AddColumns("figure", "tier");
            if (stage == "rl") table.AddColumns($"before RL (step {first})", $"after RL (step {last})", "n");
            else table.AddColumns(last == 0 ? "rate" : $"rate (step {last})", "n");
            foreach (var (name, metric) in new[] { ("AF rate", MetricNames.AfReasoningRate), ("compliance", MetricNames.OutcomeComply), ("refusal", MetricNames.OutcomeRefuse), ("broken format", MetricNames.OutcomeBrokenFormat), ("unparsable", MetricNames.OutcomeUnparsable) })
                foreach (var tier in new[] { Tier.Training, Tier.Rated, Tier.Unmonitored }.Where(t => t != Tier.Rated || mine.Any(r => r.Tier == t))) Row(name, metric, tier);
            Row("compliance gap", MetricNames.AfComplianceGap, null);
            if (mine.Any(r => r.Metric == AlignmentFakingMetrics.RaterSycophancyGap))
            {
                Row("rater-sycophancy gap", AlignmentFakingMetrics.RaterSycophancyGap, null);
                Row("goal-guarding gap", AlignmentFakingMetrics.GoalGuardingGap, null);
            }

            AnsiConsole.Write(table);
            CorrectedTable.Print(rows);

            void Row(string name, string metric, Tier? tier)
            {
                SummaryRow? Find(long step) => mine.FirstOrDefault(r => r.Step == step && r.Metric == metric && r.Tier == tier);
                var after = Find(last);
                var n = after?.Estimate.N.ToString(CultureInfo.InvariantCulture) ?? "–";
                var who = tier?.ToString().ToLowerInvariant() ?? "both";
                if (stage == "rl") table.AddRow(name, who, Text(Find(first)?.Estimate), Text(after?.Estimate), n);
                else table.AddRow(name, who, Text(after?.Estimate), n);
            }
        }

        foreach (var file in new[] { "run.db", "metrics.jsonl", "report.html" }) Console.WriteLine(Path.Combine(folder, file));
    }

    private static string Text(Estimate? estimate) => estimate is { } e ? string.Create(CultureInfo.InvariantCulture, $"{100 * e.Value:f1} % ({100 * e.Low:f1} to {100 * e.High:f1})") : "–";
}
