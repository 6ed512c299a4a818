using System.Globalization;
using System.Text;
using RlHarness.Experiment.Prompts;
using RlHarness.Experiment.Statistics;
using RlHarness.Tracking.Metrics;
using RlHarness.Tracking.Store;

namespace RlHarness.Tracking.Report;

/// <summary>What each detector says of the same transcripts, what its figures are after correction by the labelled sample, and whether it drifts.</summary>
internal static class DetectorSection
{
    private static readonly string[] Colours = ["one", "two", "unmonitored"];

    public static string Html(ReportData data)
    {
        if (data.Detectors.Count < 2 || data.Steps.Count == 0) return "";
        return "<h2>The same transcripts by each detector</h2>\n" + Warnings(data) + Table(data) + Charts(data);
    }

    private static string Warnings(ReportData data)
    {
        if (data.Warnings.Count == 0) return "";
        return "<ul>\n" + string.Concat(data.Warnings.Select(w => $"<li>{Svg.Escape(w)}</li>\n")) + "</ul>\n";
    }

    private static string Table(ReportData data)
    {
        var html = new StringBuilder("<div class=\"scroll\"><table>\n<thead><tr><th>detector</th><th>step</th><th>tier</th><th class=\"number\">AF, raw</th><th class=\"number\">Rogan–Gladen</th><th class=\"number\">prediction-powered</th><th class=\"number\">sensitivity</th><th class=\"number\">specificity</th></tr></thead>\n<tbody>\n");
        foreach (var detector in data.Detectors)
        {
            var rows = data.AllDetectors.Where(s => s.Detector == detector).ToList();
            foreach (var step in new[] { data.Steps[0], data.Steps[^1] }.Distinct())
                foreach (var tier in new[] { Tier.Training, Tier.Rated, Tier.Unmonitored }.Where(t => ReportData.Find(rows, MetricNames.AfReasoningRate, t, step) is not null))
                {
                    string Cell(string metric, Tier? of) => ReportData.Find(rows, metric, of, step) is { } row && double.IsFinite(row.Estimate.Value) ? ReportBuilder.Figure(row.Estimate) : "–";
                    const string rate = MetricNames.AfReasoningRate;
                    html.Append(CultureInfo.InvariantCulture, $"<tr><td>{Svg.Escape(detector)}</td><td>{step}</td><td>{tier.ToString().ToLowerInvariant()}</td><td class=\"number\">{Cell(rate, tier)}</td><td class=\"number\">{Cell($"{rate}/{MetricNames.RoganGladen}", tier)}</td>")
                        .Append(CultureInfo.InvariantCulture, $"<td class=\"number\">{Cell($"{rate}/{MetricNames.PredictionPowered}", tier)}</td><td class=\"number\">{Cell(MetricNames.Detector("sensitivity"), null)}</td><td class=\"number\">{Cell(MetricNames.Detector("specificity"), null)}</td></tr>\n");
                }
        }

        return html.Append("</tbody>\n</table></div>\n<p class=\"note\">Corrected rates use a labelled sample of this evaluation, drawn anew at each, and the detector’s calls outside of it. Rogan–Gladen takes sensitivity and specificity to be the same in both tiers; prediction-powered inference does not.</p>\n").ToString();
    }

    private static string Charts(ReportData data)
    {
        string[] others = [.. data.Detectors.Where(d => d != data.Detector && Of(data, d, MetricNames.Detector("sensitivity"), null).Any()).Take(Colours.Length)];
        if (others.Length == 0) return "";
        var html = new StringBuilder("<div class=\"charts\">\n");
        foreach (var detector in others)
        {
            Curve[] curves =
            [
                new(data.Detector, "training", [.. Of(data, data.Detector, MetricNames.AfReasoningRate, Tier.Training)]), new($"{detector}, raw", "one", [.. Of(data, detector, MetricNames.AfReasoningRate, Tier.Training)]),
                new("prediction-powered", "two", [.. Of(data, detector, $"{MetricNames.AfReasoningRate}/{MetricNames.PredictionPowered}", Tier.Training)]),
            ];
            html.Append(new LineChart($"AF rate, training tier: {detector}", "of responses of the tier", curves, Percent: true).Figure());
        }

        foreach (var (figure, title) in new[] { ("sensitivity", "Sensitivity against the labelled sample"), ("specificity", "Specificity against the labelled sample") })
            html.Append(new LineChart(title, "of the sample", [.. others.Select((d, i) => new Curve(d, Colours[i], [.. Of(data, d, MetricNames.Detector(figure), null)]))], Percent: true).Figure());
        return html.Append("</div>\n").ToString();
    }

    private static IEnumerable<CurvePoint> Of(ReportData data, string detector, string metric, Tier? tier)
        => data.AllDetectors.Where(s => s.Detector == detector && s.Metric == metric && s.Tier == tier).Select(s => Point(s));

    private static CurvePoint Point(SummaryRow row) => new(row.Step, row.Estimate.Value, row.Estimate.Low, row.Estimate.High, row.Estimate.N);
}
