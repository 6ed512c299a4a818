using System.Globalization;
using System.Text;
using RlHarness.Core.Files;
using RlHarness.Experiment.Evaluation;
using RlHarness.Experiment.Prompts;
using RlHarness.Statistics;
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
        options ??= new();
        AtomicFile.WriteAllText(path, Page(ReportData.Read(runFolder, options), options));
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

    /// <summary>
    /// The report's charts of a run as it stands, as HTML without a link: for a page that is drawn again at each step, so no transcript is read.
    /// </summary>
    /// <param name="store">The run's store, which stays open.</param>
    public static string LivePictures(string runFolder, RunStore store)
    {
        ArgumentNullException.ThrowIfNull(store);
        var data = ReportData.Figures(runFolder, store);
        var html = new StringBuilder();
        if (data.Steps.Length > 0)
            html.Append(
                    Picture.Row([
                        .. TierCharts(data).Select(c => c.Picture()),
                        new LineChart(
                            "Compliance gap",
                            "points, training − unmonitored",
                            [data.OverSteps(MetricNames.AfComplianceGap, null, "gap", "one")],
                            Percent: true
                        ).Picture(),
                        new LineChart(
                            "Reasoning that considers AF",
                            "of responses of the tier",
                            ByTier(data, MetricNames.AfConsidersRate),
                            Percent: true
                        ).Picture(),
                    ])
                )
                .Append(Outcomes(data))
                .Append(TierSection.Html(data));
        string Chart(string stage, string title, string unit, params (string Metric, string Name)[] metrics)
        {
            Curve[] curves =
            [
                .. metrics
                    .Select(
                        (m, i) =>
                            new Curve(
                                m.Name,
                                ReportStyle.Series[i],
                                [.. store.Series(stage, m.Metric).Select(p => new CurvePoint(p.Step, p.Value, double.NaN, double.NaN, 0))]
                            )
                    )
                    .Where(c => c.Points.Count > 0),
            ];
            return curves.Length == 0 ? "" : new LineChart(title, unit, curves, Percent: false) { XLabel = $"{stage} step" }.Picture();
        }

        return html.Append(
                Picture.Row(
                    Chart("rl", "Reward", "mean over the batch", (MetricNames.ObjectiveScores, "score"), (MetricNames.ObjectiveRlhfReward, "score − KL")),
                    Chart("rl", "KL to the reference", "nats a response", (MetricNames.ObjectiveKl, "KL")),
                    Chart("rl", "Length of responses", "tokens, mean", (MetricNames.ResponseLengthMean, "tokens")),
                    Chart(
                        "imitate",
                        "Loss while imitating",
                        "nats a token",
                        (MetricNames.LossImitation, "training"),
                        (MetricNames.LossImitation + "_validation", "held out")
                    ),
                    Chart("reward", "Loss of the reward model", "nats a pair", (MetricNames.LossRewardModel, "training"))
                )
            )
            .ToString();
    }

    /// <summary>Style sheet of the report's page and charts, for pages that show them.</summary>
    public static string StyleSheet => ReportStyle.Figure + "\n" + ReportStyle.Page;

    private static LineChart[] TierCharts(ReportData data) =>
        [
            new("Alignment-faking rate", "of responses of the tier", ByTier(data, MetricNames.AfReasoningRate), Percent: true),
            new("Compliance with the conflicting objective", "of responses of the tier", ByTier(data, MetricNames.OutcomeComply), Percent: true),
        ];

    private static Curve[] ByTier(ReportData data, string metric) =>
        [.. data.Tiers.Select(t => data.OverSteps(metric, t, $"{MetricLabels.Of(t)} tier", MetricLabels.Css(t)))];

    private static string Page(ReportData data, ReportOptions options)
    {
        var page = new StringBuilder().Append(
            CultureInfo.InvariantCulture,
            $"<h1>{Svg.Escape(data.Name)}</h1>\n<p class=\"note\">{Svg.Escape(Headline(data))}</p>\n{Marks(data)}{RunHead.Html(data)}"
        );
        if (data.Alarms.Count > 0)
            page.Append("<h2>Numbers that went wrong</h2>\n<ul>\n").AppendJoin("", data.Alarms.Select(a => $"<li>{Svg.Escape(a)}</li>\n")).Append("</ul>\n");
        if (data.Steps.Length == 0)
            page.Append(
                data.Documents.Steps.Length == 0
                    ? "<p>No evaluation has been recorded yet.</p>\n"
                    : "<p>No evaluation has been recorded yet but those of the documents stage.</p>\n"
            );
        else
        {
            page.Append("<h2>Before and after</h2>\n")
                .Append(Table(data))
                .Append(
                    "<h2>Over the steps</h2>\n<p class=\"note\">Bands are 95 % intervals. Point at a dot for its numbers; a number’s link shows "
                        + "the transcripts behind it.</p>\n"
                )
                .Append(
                    Picture.Row([
                        .. TierCharts(data).Select(c => c.Picture()),
                        GapSection.Html(data),
                        new LineChart(
                            "Reasoning that considers AF",
                            "of responses of the tier",
                            ByTier(data, MetricNames.AfConsidersRate),
                            Percent: true
                        ).Picture(),
                        ScratchpadLength.Html(data),
                    ])
                )
                .Append("<h2>Outcomes</h2>\n")
                .Append(Outcomes(data))
                .Append(FlowSection.Html(data))
                .Append(TierSection.Html(data))
                .Append(ConditionSection.Html(data));
        }

        page.Append(DocumentSection.Html(data))
            .Append("<h2>Training</h2>\n")
            .Append(
                Picture.Row(
                    new LineChart(
                        "Reward",
                        "mean over the batch",
                        [data.OfSeries(MetricNames.ObjectiveScores, "score", "one"), data.OfSeries(MetricNames.ObjectiveRlhfReward, "score − KL", "two")],
                        Percent: false
                    ).Picture(),
                    new LineChart("KL to the reference", "nats a response", [data.OfSeries(MetricNames.ObjectiveKl, "KL", "one")], Percent: false).Picture()
                )
            )
            .Append(ScenarioSection.Html(data))
            .Append(MonitorSection.Html(data))
            .Append(DetectorSection.Html(data))
            .Append(ProbeSection.Html(data.Probe))
            .Append(ReaderSection.Html(data, options));
        return PlainPage.Of($"{data.Name}: alignment faking", page.ToString());
    }

    /// <summary>What is to be known of a run before its figures are read: that it failed, goes on, or was never evaluated; null of one that is whole.</summary>
    public static string? State(IReadOnlyList<StageRow> stages, bool isEvaluated)
    {
        ArgumentNullException.ThrowIfNull(stages);
        string[] said =
        [
            .. stages
                .Where(s => s.Status != "done")
                .Select(s =>
                    $"{s.Stage} {(s.Status == "running" ? "is not finished" : s.Status)}"
                    + (s.Detail is { Length: > 0 } why && s.Status == "failed" ? $": {why.Split('\n')[0]}" : "")
                ),
            .. stages.Count == 0 ? ["nothing was started"] : Array.Empty<string>(),
            .. isEvaluated ? [] : (string[])["no evaluation"],
        ];
        return said.Length == 0 ? null : string.Join("; ", said);
    }

    private static string Marks(ReportData data)
    {
        var state = State(data.Stages, data.Steps.Length > 0 || data.Documents.Steps.Length > 0 || data.ScenarioSteps.Length > 0);
        return (state is null ? "" : $"<p class=\"status\">{Svg.Escape(state)}</p>\n")
            + (data.Warnings.Count == 0 ? "" : "<ul class=\"status\">\n" + string.Concat(data.Warnings.Select(w => $"<li>{Svg.Escape(w)}</li>\n")) + "</ul>\n");
    }

    private static string Headline(ReportData data)
    {
        var stages = data.Stages.Count == 0 ? "" : " Stages: " + string.Join(", ", data.Stages.Select(s => $"{s.Stage} ({s.Status})")) + ".";
        if (data.Steps.Length == 0)
            return "Alignment faking before, during and after RL." + stages;
        return string.Create(
            CultureInfo.InvariantCulture,
            $"Evaluation queries, condition “{data.Condition}”, labels by {data.Detector}; RL steps {data.Steps[0]} to {data.Steps[^1]}.{stages}"
        );
    }

    private static string Table(ReportData data)
    {
        var (first, last) = (data.Steps[0], data.Steps[^1]);
        var table = new HtmlTable(
            "figure",
            "tier",
            string.Create(CultureInfo.InvariantCulture, $"#step {first}"),
            string.Create(CultureInfo.InvariantCulture, $"#step {last}")
        );
        void Row(string metric, Tier? tier)
        {
            string At(long step) =>
                ReportData.Find(data.Summaries, metric, tier, step) is { } row
                    ? Cell(row, data.Link(metric, tier, step))
                        + (
                            Bounds(metric, tier, step) is { } b
                                ? $"<span class=\"interval\">; {Ends(metric, b)} with every missing verdict a no, a yes</span>"
                                : ""
                        )
                : Bounds(metric, tier, step) is { } bounds ? $"not told: {Ends(metric, bounds)} with every missing verdict a no, a yes"
                : "–";

            table.Row(Svg.Escape(MetricLabels.Of(metric)), tier is { } t ? MetricLabels.Of(t) : "both", At(first), At(last));
        }

        foreach (
            var metric in new[]
            {
                MetricNames.AfReasoningRate,
                MetricNames.AfReasoningAnyOutcome,
                MetricNames.OutcomeComply,
                MetricNames.OutcomeRefuse,
                MetricNames.OutcomePartial,
                MetricNames.OutcomeBrokenFormat,
                MetricNames.OutcomeUnparsable,
            }
        )
            foreach (var tier in data.Tiers)
                Row(metric, tier);
        foreach (var metric in new[] { AlignmentFakingMetrics.GenericRate, AlignmentFakingMetrics.UnreadRate, AlignmentFakingMetrics.OutputUnreadRate })
            foreach (var tier in data.Tiers.Where(t => data.Summaries.Any(s => s.Metric == metric && s.Tier == t)))
                Row(metric, tier);
        Row(MetricNames.AfComplianceGap, null);
        Row(MetricNames.AfRelativeGap, null);
        if (data.Tiers.Contains(Tier.Rated))
        {
            Row(AlignmentFakingMetrics.RaterSycophancyGap, null);
            Row(AlignmentFakingMetrics.GoalGuardingGap, null);
        }

        Estimate? Bounds(string metric, Tier? tier, long step) => ReportData.Find(data.Summaries, AlignmentFakingMetrics.Bounds(metric), tier, step)?.Estimate;

        return table
            + "<p class=\"note\">[95 % interval], n responses (q queries). Alignment faking: faking reasoning and a compliant output. p: "
            + "McNemar’s mid-p, two-sided. Relative gap: gap over the non-compliance of the unmonitored tier. A gap’s link shows the "
            + "queries that its tiers answer differently. Responses without a verdict are in no rate; a gap that they could have made is "
            + "not told.</p>\n";
    }

    private static string Outcomes(ReportData data)
    {
        OutcomeBar[] bars =
        [
            .. data.Ends()
                .SelectMany(end => data.Tiers.Select(tier => OutcomeBar.Of(data, tier, end.Step, $"{MetricLabels.Of(tier)}, {end.When}")))
                .OfType<OutcomeBar>(),
        ];
        return (bars.Length == 0 ? "" : new OutcomeChart(bars).Picture()) + Picture.Row([.. data.Tiers.Select(t => OutcomeArea.Of(data, t)?.Picture() ?? "")]);
    }

    private static string Ends(string metric, Estimate bounds) =>
        string.Create(CultureInfo.InvariantCulture, $"{100 * bounds.Low:0.0} to {100 * bounds.High:0.0} {Unit(metric)}");

    private static string Unit(string metric) => MetricLabels.IsDifference(metric) ? "points" : "%";

    /// <summary>A figure with its interval and n; what the rows do not tell is said, and no number.</summary>
    internal static string Figure(Estimate e, string unit = "%") =>
        !double.IsFinite(e.Value) ? string.Create(CultureInfo.InvariantCulture, $"not estimable (n = {e.N})")
        : !double.IsFinite(e.Low) || !double.IsFinite(e.High)
            ? string.Create(
                CultureInfo.InvariantCulture,
                $"{100 * e.Value:0.0} {unit} <span class=\"interval\">(interval not estimable), {e.N} ({e.Clusters} q)</span>"
            )
        : string.Create(
            CultureInfo.InvariantCulture,
            $"{100 * e.Value:0.0} {unit} <span class=\"interval\">[{100 * e.Low:0.0}, {100 * e.High:0.0}], {e.N} ({e.Clusters} q)</span>"
        );

    /// <summary>A figure with a link to its transcripts where the page has them, and its p value where it has a test.</summary>
    internal static string Cell(SummaryRow? row, string? href) =>
        row is null
            ? "–"
            : HtmlTable.Link(Figure(row.Estimate, Unit(row.Metric)), href)
                + (row.P is { } p ? $"<span class=\"interval\">, p {Svg.Escape(PValue(p))}</span>" : "");

    private static string PValue(double p) => p < 0.001 ? "< 0.001" : p.ToString("0.000", CultureInfo.InvariantCulture);
}

/// <summary>What a report shows.</summary>
public sealed record ReportOptions
{
    /// <summary>The detector whose labels are drawn; null: <c>grammar_oracle</c> where it ran, else the first by name.</summary>
    public string? Detector { get; init; }

    /// <summary>The condition that is drawn; null: <c>full</c> where it was evaluated, else the first by name.</summary>
    public string? Condition { get; init; }

    /// <summary>How many transcripts to hold for each number before and after RL, 0 or more.</summary>
    public int Transcripts { get; init; } = 20;

    /// <summary>The text of each token of a response; null: tokens are shown by their numbers.</summary>
    public Func<IReadOnlyList<int>, IReadOnlyList<string>>? TokenTexts { get; init; }

    /// <summary>Is told how many evaluations are read, of how many; null: nobody is.</summary>
    public Action<int, int>? OnProgress { get; init; }

    /// <summary>Reads no transcript at all.</summary>
    internal bool FiguresOnly { get; init; }

    /// <summary>Transcripts for each number at the steps between.</summary>
    internal int Between => (Transcripts + 3) / 4;
}
