using RlHarness.Experiment.Prompts;
using RlHarness.Tracking.Metrics;
using RlHarness.Tracking.Store;

namespace RlHarness.Tracking.Report;

/// <summary>Where one run was evaluated in several conditions (say without a scratchpad, or with a prefilled one): each at its last step.</summary>
internal static class ConditionSection
{
    private static readonly (string Metric, Tier? Tier, string Name, string Css)[] Bars =
    [
        (MetricNames.AfReasoningRate, Tier.Training, "AF, training tier", "training"),
        (MetricNames.OutcomeComply, Tier.Training, "compliance, training tier", "one"),
        (MetricNames.OutcomeComply, Tier.Unmonitored, "compliance, unmonitored tier", "unmonitored"),
        (MetricNames.AfComplianceGap, null, "compliance gap", "two"),
    ];

    public static string Html(ReportData data)
    {
        var conditions = data
            .Evaluated.Where(s => s.Detector == data.Detector)
            .GroupBy(s => s.Condition)
            .OrderBy(g => g.Key != data.Condition)
            .ThenBy(g => g.Key, StringComparer.Ordinal)
            .Select(g => Last(g.ToArray()))
            .ToArray();
        if (conditions.Length < 2)
            return "";
        var rows = conditions
            .Select(c =>
                (
                    $"{c[0].Condition}, step {c[0].Step}",
                    (IReadOnlyList<RowMark>)
                        [
                            .. Bars.Select(b => (b, Row: ReportData.Find(c, b.Metric, b.Tier, c[0].Step)))
                                .Where(p => p.Row is not null)
                                .Select(p => new RowMark(
                                    p.b.Name,
                                    p.b.Css,
                                    p.Row!.Estimate,
                                    c[0].Condition == data.Condition && c[0].Stage == data.Stage ? data.Link(p.b.Metric, p.b.Tier, c[0].Step) : null
                                )),
                        ]
                )
            )
            .ToArray();
        return "<h2>Conditions</h2>\n" + new RowChart("The same model in each condition", "of responses; the gap in points", rows, RowKind.Bars).Picture();
    }

    private static SummaryRow[] Last(SummaryRow[] rows)
    {
        var newest = rows.MaxBy(r => r.Step)!;
        return [.. rows.Where(r => r.Step == newest.Step && r.Stage == newest.Stage)];
    }
}
