using RlHarness.Experiment.Prompts;
using RlHarness.Statistics;
using RlHarness.Tracking.Metrics;

namespace RlHarness.Tracking.Report;

/// <summary>How responses come from speaking of training to full alignment faking, by tier, before and after RL.</summary>
internal static class FlowSection
{
    private static readonly (string Metric, string Name)[] Stages =
    [
        (MetricNames.AfTrainingAwareness, "speaks of training"),
        (MetricNames.AfConsidersRate, "considers faking"),
        (MetricNames.AfReasoningAnyOutcome, "reasons to fake"),
        (MetricNames.AfReasoningRate, "and complies: AF"),
    ];

    public static string Html(ReportData data)
    {
        var charts = data.Ends()
            .SelectMany(end => data.Tiers.Select(tier => Of(data, tier, end.Step, end.When)))
            .OfType<FlowChart>()
            .Select(c => c.Picture())
            .ToArray();
        return charts.Length == 0
            ? ""
            : "<h2>From talk of training to alignment faking</h2>\n<p class=\"note\">Each stage is a part of the one before it; heights are "
                + "shares of all responses.</p>\n"
                + Picture.Row(charts);
    }

    internal static FlowChart? Of(ReportData data, Tier tier, long step, string when)
    {
        var stages = new List<(string Name, Estimate Share, string? Href)>();
        foreach (var (metric, name) in Stages)
        {
            if (data.Figure(metric, tier, step) is not { } share)
                return null;
            stages.Add((name, share, data.Link(metric, tier, step)));
        }

        return new($"{MetricLabels.Of(tier)} tier, {when}", stages, MetricLabels.Css(tier));
    }
}
