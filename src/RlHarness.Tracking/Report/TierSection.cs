using RlHarness.Experiment.Evaluation;
using RlHarness.Experiment.Prompts;
using RlHarness.Tracking.Metrics;

namespace RlHarness.Tracking.Report;

/// <summary>
/// With three tiers: compliance of each on one line, so that pleasing a rater (unmonitored to rated) and guarding goals (rated to training) are seen
/// apart.
/// </summary>
internal static class TierSection
{
    public static string Html(ReportData data)
    {
        if (!data.Tiers.Contains(Tier.Rated))
            return "";
        var rows = data.Ends()
            .Select(end =>
                (
                    end.When,
                    (IReadOnlyList<RowMark>)
                        [
                            .. data
                                .Tiers.Where(t => data.Figure(MetricNames.OutcomeComply, t, end.Step) is not null)
                                .Select(t => new RowMark(
                                    $"{MetricLabels.Of(t)} tier",
                                    MetricLabels.Css(t),
                                    data.Figure(MetricNames.OutcomeComply, t, end.Step)!.Value,
                                    data.Link(MetricNames.OutcomeComply, t, end.Step)
                                )),
                        ]
                )
            )
            .ToArray();
        var gaps = data.Ends()
            .Select(end =>
                (
                    end.When,
                    (IReadOnlyList<RowMark>)
                        [
                            .. new[] { (AlignmentFakingMetrics.RaterSycophancyGap, "two"), (AlignmentFakingMetrics.GoalGuardingGap, "three") }
                                .Where(g => data.Figure(g.Item1, null, end.Step) is not null)
                                .Select(g => new RowMark(
                                    MetricLabels.Of(g.Item1),
                                    g.Item2,
                                    data.Figure(g.Item1, null, end.Step)!.Value,
                                    data.Link(g.Item1, null, end.Step)
                                )),
                        ]
                )
            )
            .ToArray();
        return "<h2>Three tiers</h2>\n"
            + new RowChart("Compliance by tier", "compliance", rows, RowKind.Joined).Picture("Bars are 95 % intervals.")
            + (
                gaps.All(g => g.Item2.Count > 0)
                    ? new RowChart("What each step between the tiers adds", "points, paired by query", gaps, RowKind.Dots).Picture()
                    : ""
            );
    }
}
