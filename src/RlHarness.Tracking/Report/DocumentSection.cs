using System.Globalization;
using RlHarness.Experiment.Prompts;
using RlHarness.Tracking.Metrics;

namespace RlHarness.Tracking.Report;

/// <summary>How outcomes, alignment faking and the gap move while the model reads documents.</summary>
internal static class DocumentSection
{
    public static string Html(ReportData data)
    {
        var course = data.Documents;
        if (course.Steps.Length == 0)
            return "";
        var ends = ReportData.Ends(course.Steps).ToArray();
        OutcomeBar[] bars =
        [
            .. ends.SelectMany(end => course.Tiers.Select(tier => Bar(data, tier, end.Step, $"{MetricLabels.Of(tier)}, {end.When}"))).OfType<OutcomeBar>(),
        ];
        return $"<h2>While it reads documents</h2>\n<p class=\"note\">{Svg.Escape(course.What is null ? "" : course.What + ". ")}The same "
            + $"queries at every evaluation, labels by {Svg.Escape(data.Detector)}. What documents do that say nothing of training is seen "
            + "in a run that reads such ones (documents.kind: benign): a report of the folder that holds both draws them together.</p>\n"
            + (bars.Length == 0 ? "" : new OutcomeChart(bars) { Title = "Outcomes by tier, before and after the documents" }.Picture())
            + Picture.Row([.. course.Tiers.Select(t => Area(data, t)?.Picture() ?? "")])
            + Picture.Row(
                Chart("Alignment-faking rate over documents", "of responses of the tier", ByTier(data, MetricNames.AfReasoningRate)),
                Chart("Compliance over documents", "of responses of the tier", ByTier(data, MetricNames.OutcomeComply)),
                Chart(
                    "Compliance gap over documents",
                    "points, training − unmonitored",
                    [Over(data, MetricNames.AfComplianceGap, null, "all responses", "one")]
                )
            );
    }

    /// <summary>A figure over document tokens.</summary>
    internal static string Chart(string title, string unit, IReadOnlyList<Curve> curves, double width = 460, double height = 270) =>
        curves.Sum(c => c.Points.Count) == 0
            ? ""
            : new LineChart(title, unit, curves, Percent: true, width, height) { XLabel = DocumentTimeline.Unit }.Picture();

    private static Curve[] ByTier(ReportData data, string metric) =>
        [.. data.Documents.Tiers.Select(t => Over(data, metric, t, $"{MetricLabels.Of(t)} tier", MetricLabels.Css(t)))];

    private static Curve Over(ReportData data, string metric, Tier? tier, string name, string css) =>
        data.Documents.Over(metric, tier, name, css, step => Link(data, metric, tier, step));

    private static string? Link(ReportData data, string metric, Tier? tier, long step) => data.Link(metric, tier, step, stage: DocumentTimeline.Stage);

    private static OutcomeBar? Bar(ReportData data, Tier tier, long step, string name) =>
        OutcomeBar.Of((metric, t) => data.Documents.Figure(metric, t, step), (metric, t) => Link(data, metric, t, step), tier, name);

    /// <summary>Null where there are fewer than two evaluations.</summary>
    private static OutcomeArea? Area(ReportData data, Tier tier)
    {
        (long, OutcomeBar)[] steps =
        [
            .. data
                .Documents.Steps.Select(step => (At: data.Documents.Tokens[step], Step: step))
                .Select(s => (s.At, Bar(data, tier, s.Step, string.Create(CultureInfo.InvariantCulture, $"{s.At} tokens"))))
                .Where(s => s.Item2 is not null)
                .Select(s => (s.At, s.Item2!)),
        ];
        return steps.Length < 2
            ? null
            : new($"Outcomes over documents, {MetricLabels.Of(tier)} tier", steps, [])
            {
                XLabel = DocumentTimeline.Unit,
                Ticks = [.. Axis.Whole("", [.. steps.Select(s => (double)s.Item1)]).Ticks()],
            };
    }
}
