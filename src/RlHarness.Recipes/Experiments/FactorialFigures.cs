using System.Globalization;
using RlHarness.Experiment.Prompts;
using RlHarness.Recipes.Settings;
using RlHarness.Statistics;
using RlHarness.Tracking.Metrics;
using RlHarness.Tracking.Store;

namespace RlHarness.Recipes.Experiments;

/// <summary>What a cell's run measured before its first and after its last update, by the run's first detector.</summary>
/// <param name="Run">Its folder.</param>
/// <param name="Values">By figure's name: <c>af_training/after</c>.</param>
public sealed record FactorialFigures(int Cell, string Name, int Seed, string Run, string Detector, long Steps, IReadOnlyDictionary<string, Estimate> Values)
{
    /// <summary>Names and what they stand for; each is there <c>/before</c> and <c>/after</c> RL.</summary>
    public static readonly IReadOnlyList<(string Name, string Metric, Tier? Tier, string Meaning)> Kinds =
    [
        ("af_training", MetricNames.AfReasoningRate, Tier.Training, "AF rate, training tier"),
        ("af_unmonitored", MetricNames.AfReasoningRate, Tier.Unmonitored, "AF rate, unmonitored tier"),
        ("comply_training", MetricNames.OutcomeComply, Tier.Training, "compliance, training tier"),
        ("comply_unmonitored", MetricNames.OutcomeComply, Tier.Unmonitored, "compliance, unmonitored tier"),
        ("gap", MetricNames.AfComplianceGap, null, "compliance gap"),
    ];

    public static FactorialFigures Read(FactorialCell cell)
    {
        ArgumentNullException.ThrowIfNull(cell);
        using var store = RunStore.OpenReadOnly(Path.Combine(cell.Folder, "run.db"));
        var detector = cell.Settings.Evaluate.Detectors[0].Name ?? cell.Settings.Evaluate.Detectors[0].Kind;
        var rows = store.Summaries(stage: StageNames.Rl, detector: detector);
        var (first, last) = rows.Count == 0 ? (0, 0) : (rows.Min(r => r.Step), rows.Max(r => r.Step));
        var values = new Dictionary<string, Estimate>(StringComparer.Ordinal);
        foreach (var (name, metric, tier, _) in Kinds)
            foreach (var (when, step) in new[] { ("before", first), ("after", last) })
                if (rows.FirstOrDefault(r => r.Step == step && r.Metric == metric && r.Tier == tier) is { } row)
                    values[$"{name}/{when}"] = row.Estimate;
        return new(cell.Cell, cell.Name, cell.Seed, cell.Folder, detector, last, values);
    }

    /// <summary>One line for the console.</summary>
    public static string Line(FactorialFigures f)
    {
        ArgumentNullException.ThrowIfNull(f);
        string P(string name) => f.Values.TryGetValue(name, out var e) ? (100 * e.Value).ToString("f1", CultureInfo.InvariantCulture) : "–";
        return $"AF {P("af_training/before")} → {P("af_training/after")} %, complies {P("comply_training/before")} → "
            + $"{P("comply_training/after")} %, gap {P("gap/before")} → {P("gap/after")} points";
    }
}
