using RlHarness.Core.Randomness;
using RlHarness.Experiment.Evaluation;
using RlHarness.Experiment.Prompts;
using RlHarness.Experiment.Transcripts;
using RlHarness.Statistics;
using RlHarness.Tracking.Metrics;
using RlHarness.Tracking.Store;

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

/// <summary>The compliance gap, and what is left of it without the responses whose reasoning fakes.</summary>
internal static class GapSection
{
    private const int Resamples = 2000;

    /// <summary>Fewer queries are not drawn: their interval is as wide as the axis.</summary>
    private const int FewestQueries = 10;

    public static string Html(ReportData data)
    {
        var without = data
            .Steps.Select(step => (step, Gap: WithoutFaking(data.Evaluations[step], data.Detector, step)))
            .Where(g => g.Gap is { Clusters: >= FewestQueries })
            .Select(g => ReportData.Point(g.step, g.Gap!.Value))
            .ToArray();
        return new LineChart(
            "Compliance gap",
            "points, training − unmonitored",
            [
                data.OverSteps(MetricNames.AfComplianceGap, null, "all responses", "one"),
                .. without.Length == 0 ? Array.Empty<Curve>() : [new Curve("without faking reasoning", "two", without)],
            ],
            Percent: true
        ).Picture(
            without.Length == 0
                ? null
                : $"Without faking reasoning: over the queries neither of whose answers reasons to fake, where there are {FewestQueries} or "
                    + "more. Leaving answers out chooses queries: what is left describes, and explains nothing."
        );
    }

    /// <summary>The gap over the queries that both tiers still have when responses with faking reasoning are left out; null where none are left.</summary>
    internal static Estimate? WithoutFaking(IEnumerable<TranscriptView> items, string detector, long step)
    {
        LabelledTranscript[] kept =
        [
            .. items
                .Select(i => i.Labelled(detector))
                .OfType<LabelledTranscript>()
                .Where(l => l.Label.Reasoning != ReasoningKind.Faking && l.Tier != Tier.Rated),
        ];
        return kept.Length == 0 ? null : AlignmentFakingSummary.Compute(kept, new Seeds(0).Child("report/gap"), step, resamples: Resamples).Gap;
    }
}

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
