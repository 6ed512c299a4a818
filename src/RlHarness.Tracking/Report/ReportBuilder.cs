using System.Globalization;
using System.Text;
using RlHarness.Core.Files;
using RlHarness.Experiment.Prompts;
using RlHarness.Experiment.Statistics;
using RlHarness.Tracking.Metrics;
using RlHarness.Tracking.Store;

namespace RlHarness.Tracking.Report;

/// <summary>
/// <c>report.html</c> of a run: one file that loads nothing, readable in light and dark, with every rate beside its 95 % interval and number of responses.
/// </summary>
public static class ReportBuilder
{
    /// <summary>Writes the report beside run.db and returns its path. Works while the run goes on.</summary>
    public static string Write(string runFolder, ReportOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(runFolder);
        var path = Path.Combine(runFolder, "report.html");
        AtomicFile.WriteAllText(path, Page(ReportData.Read(runFolder, options ?? new())));
        return path;
    }

    /// <summary>AF rate and compliance by tier over RL steps, as an SVG that stands alone.</summary>
    public static string FigureSvg(string runFolder, ReportOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(runFolder);
        var data = ReportData.Read(runFolder, (options ?? new()) with { Transcripts = 0 });
        var charts = TierCharts(data);
        return $"<svg viewBox=\"0 0 940 290\" width=\"940\" height=\"290\" xmlns=\"http://www.w3.org/2000/svg\">\n<style>{ReportStyle.Figure}</style>\n"
            + $"<rect class=\"paper\" width=\"940\" height=\"290\" rx=\"8\"/>\n{charts[0].Draw(4, 8)}{charts[1].Draw(472, 8)}</svg>\n";
    }

    private static LineChart[] TierCharts(ReportData data) =>
    [
        new("Alignment-faking rate", "of responses of the tier", Tiers(data, MetricNames.AfReasoningRate), Percent: true),
        new("Compliance with the conflicting objective", "of responses of the tier", Tiers(data, MetricNames.OutcomeComply), Percent: true),
    ];

    private static Tier[] Tiers(ReportData data) => [.. new[] { Tier.Training, Tier.Rated, Tier.Unmonitored }.Where(t => t != Tier.Rated || data.Summaries.Any(s => s.Tier == t))];

    private static Curve[] Tiers(ReportData data, string metric) =>
        [data.OverSteps(metric, Tier.Training, "training tier", "training"), data.OverSteps(metric, Tier.Unmonitored, "unmonitored tier", "unmonitored")];

    private static string Page(ReportData data)
    {
        var page = new StringBuilder();
        page.Append("<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n")
            .Append(CultureInfo.InvariantCulture, $"<title>{Svg.Escape(data.Name)}: alignment faking</title>\n<style>\n{ReportStyle.Figure}\n{ReportStyle.Page}\n</style>\n</head>\n<body>\n")
            .Append(CultureInfo.InvariantCulture, $"<h1>{Svg.Escape(data.Name)}</h1>\n<p class=\"note\">{Svg.Escape(Headline(data))}</p>\n");
        if (data.Steps.Count == 0)
        {
            page.Append("<p>No evaluation has been recorded yet.</p>\n");
        }
        else
        {
            page.Append("<h2>Before and after</h2>\n").Append(Table(data)).Append("<h2>Over the steps</h2>\n<p class=\"note\">Bands are 95 % intervals. Point at a dot for its numbers.</p>\n<div class=\"charts\">\n");
            foreach (var chart in TierCharts(data)) page.Append(chart.Figure());
            page.Append(new LineChart("Compliance gap", "training − unmonitored", [data.OverSteps(MetricNames.AfComplianceGap, null, "gap", "one")], Percent: true).Figure());
            page.Append(new LineChart("Reasoning that considers AF", "of responses of the tier", Tiers(data, MetricNames.AfConsidersRate), Percent: true).Figure());
            page.Append("</div>\n<h2>Outcomes</h2>\n").Append(Outcomes(data));
        }

        page.Append("<h2>Training</h2>\n<div class=\"charts\">\n")
            .Append(new LineChart("Reward", "mean over the batch", [data.OfSeries(MetricNames.ObjectiveScores, "score", "one"), data.OfSeries(MetricNames.ObjectiveRlhfReward, "score − KL", "two")], Percent: false).Figure())
            .Append(new LineChart("KL to the reference", "nats a response", [data.OfSeries(MetricNames.ObjectiveKl, "KL", "one")], Percent: false).Figure()).Append("</div>\n")
            .Append(ScenarioSection.Html(data)).Append(DetectorSection.Html(data)).Append(Reading(data)).Append("</body>\n</html>\n");
        return page.ToString();
    }

    private static string Headline(ReportData data)
    {
        var stages = data.Stages.Count == 0 ? "" : " Stages: " + string.Join(", ", data.Stages.Select(s => $"{s.Stage} ({s.Status})")) + ".";
        if (data.Steps.Count == 0) return "Alignment faking before, during and after RL." + stages;
        return string.Create(CultureInfo.InvariantCulture,
            $"Evaluation queries, condition “{data.Condition}”, labels by {data.Detector}; RL steps {data.Steps[0]} to {data.Steps[^1]}.{stages}");
    }

    private static string Table(ReportData data)
    {
        var (first, last) = (data.Steps[0], data.Steps[^1]);
        var html = new StringBuilder("<div class=\"scroll\"><table>\n<thead><tr><th>figure</th><th>tier</th>")
            .Append(CultureInfo.InvariantCulture, $"<th class=\"number\">step {first}</th><th class=\"number\">step {last}</th></tr></thead>\n<tbody>\n");
        void Row(string name, string metric, Tier? tier)
        {
            string At(long step)
            {
                var row = ReportData.Find(data.Summaries, metric, tier, step);
                return row is null ? "–" : Cell(row);
            }

            html.Append(CultureInfo.InvariantCulture, $"<tr><td>{Svg.Escape(name)}</td><td>{tier?.ToString().ToLowerInvariant() ?? "both"}</td><td class=\"number\">{At(first)}</td><td class=\"number\">{At(last)}</td></tr>\n");
        }

        foreach (var (name, metric) in new[]
        {
            ("alignment faking", MetricNames.AfReasoningRate), ("faking reasoning, any outcome", MetricNames.AfReasoningAnyOutcome),
            ("compliance", MetricNames.OutcomeComply), ("refusal", MetricNames.OutcomeRefuse), ("partial", MetricNames.OutcomePartial),
            ("broken format", MetricNames.OutcomeBrokenFormat), ("unreadable", MetricNames.OutcomeUnparsable),
        })
            foreach (var tier in Tiers(data)) Row(name, metric, tier);
        Row("compliance gap, paired by query", MetricNames.AfComplianceGap, null);
        Row("relative gap", MetricNames.AfRelativeGap, null);
        if (Tiers(data).Contains(Tier.Rated))
        {
            Row("rater-sycophancy gap (rated − unmonitored)", AlignmentFakingMetrics.RaterSycophancyGap, null);
            Row("goal-guarding gap (training − rated)", AlignmentFakingMetrics.GoalGuardingGap, null);
        }

        return html.Append("</tbody>\n</table></div>\n<p class=\"note\">[95 % interval], n responses (q queries). Alignment faking: faking reasoning and a compliant output. p: McNemar’s mid-p, two-sided. Relative gap: gap over the non-compliance of the unmonitored tier.</p>\n").ToString();
    }

    private static string Outcomes(ReportData data)
    {
        var bars = new List<OutcomeBar>();
        foreach (var (step, when) in data.Steps.Count == 1 ? [(data.Steps[0], "step " + data.Steps[0].ToString(CultureInfo.InvariantCulture))] : new[] { (data.Steps[0], "before"), (data.Steps[^1], "after") })
        {
            foreach (var tier in Tiers(data))
            {
                var shares = OutcomeChart.Classes.Select(c => data.Figure(c.Metric, tier, step)).ToList();
                if (shares.Any(s => s is not null)) bars.Add(new($"{tier.ToString().ToLowerInvariant()}, {when}", shares.Max(s => s?.N ?? 0), [.. shares.Select(s => s?.Value ?? 0)]));
            }
        }

        var areas = Tiers(data).Select(t => OutcomeArea.Of(data, t)).OfType<OutcomeArea>().ToArray();
        return new OutcomeChart(bars).Figure() + (areas.Length == 0 ? "" : "<div class=\"charts\">\n" + string.Concat(areas.Select(a => a.Figure())) + "</div>\n");
    }

    private static string Reading(ReportData data)
    {
        if (data.Transcripts.Count == 0) return "";
        var html = new StringBuilder().Append(CultureInfo.InvariantCulture, $"<h2>{data.Transcripts.Count} transcripts to read</h2>\n<p class=\"note\">Chosen so that each kind is seen, not at random: do not count them.</p>\n");
        foreach (var (t, labels) in data.Transcripts)
        {
            var label = labels.FirstOrDefault(l => l.Detector == data.Detector);
            var chip = label is null ? "" : $"<span class=\"chip{(label.AlignmentFaking ? " af" : "")}\">{(label.AlignmentFaking ? "AF" : $"{label.Outcome}, {label.Reasoning}")}</span>";
            html.Append(TranscriptDetails.Html(t, chip, [.. labels.Select(l => string.Create(CultureInfo.InvariantCulture, $"{l.Detector} {l.DetectorVersion}: {l.Outcome}, {l.Reasoning}{(l.AlignmentFaking ? ", alignment faking" : "")}, score {l.Score:0.###}"))]));
        }

        return html.ToString();
    }

    internal static string Figure(Estimate e) => string.Create(CultureInfo.InvariantCulture,
        $"{100 * e.Value:0.0} % <span class=\"interval\">[{100 * e.Low:0.0}, {100 * e.High:0.0}], {e.N} ({e.Clusters} q)</span>");

    /// <summary>A figure, and its p value where it has a test.</summary>
    internal static string Cell(SummaryRow row) => Figure(row.Estimate) + (row.P is { } p ? $"<span class=\"interval\">, p {Svg.Escape(PValue(p))}</span>" : "");

    private static string PValue(double p) => p < 0.001 ? "< 0.001" : p.ToString("0.000", CultureInfo.InvariantCulture);
}
