using System.Globalization;
using RlHarness.Experiment.Prompts;
using RlHarness.Statistics;
using RlHarness.Tracking.Metrics;

namespace RlHarness.Tracking.Report;

/// <summary>What each detector says of the same transcripts, what its figures are after correction by the labelled sample, and whether it drifts.</summary>
internal static class DetectorSection
{
    private static readonly string[] Colours = ["one", "two", "three"];

    public static string Html(ReportData data)
    {
        if (data.Detectors.Length < 2 || data.Steps.Length == 0)
            return "";
        return "<h2>The same transcripts by each detector</h2>\n" + Table(data) + Charts(data) + RocSection.Html(data);
    }

    private static string Table(ReportData data)
    {
        var table = new HtmlTable("detector", "step", "tier", "#AF, raw", "#Rogan–Gladen", "#prediction-powered", "#sensitivity", "#specificity");
        const string rate = MetricNames.AfReasoningRate;
        foreach (var detector in data.Detectors)
        {
            var rows = data.AllDetectors.Where(s => s.Detector == detector).ToList();
            foreach (var (step, _) in data.Ends())
                foreach (var tier in data.Tiers.Where(t => ReportData.Find(rows, rate, t, step) is not null))
                {
                    string Cell(string metric, Tier? of) => ReportData.Find(rows, metric, of, step) is { } row ? ReportBuilder.Figure(row.Estimate) : "–";
                    table.Row(
                        Svg.Escape(detector),
                        step.ToString(CultureInfo.InvariantCulture),
                        MetricLabels.Of(tier),
                        HtmlTable.Link(Cell(rate, tier), data.Link(rate, tier, step, detector)),
                        Cell($"{rate}/{MetricNames.RoganGladen}", tier),
                        Cell($"{rate}/{MetricNames.PredictionPowered}", tier),
                        Cell(MetricNames.Detector("sensitivity"), null),
                        Cell(MetricNames.Detector("specificity"), null)
                    );
                }
        }

        return table
            + "<p class=\"note\">Corrected rates use a labelled sample of this evaluation, drawn anew at each, and the detector’s calls "
            + "outside of it. Rogan–Gladen takes sensitivity and specificity to be the same in both tiers; prediction-powered inference "
            + "does not.</p>\n";
    }

    private static string Charts(ReportData data)
    {
        string[] others =
        [
            .. data.Detectors.Where(d => d != data.Detector && Of(data, d, MetricNames.Detector("sensitivity"), null).Any()).Take(Colours.Length),
        ];
        if (others.Length == 0)
            return "";
        var charts = new List<string>();
        foreach (var (detector, colour) in others.Zip(Colours))
        {
            Curve[] curves =
            [
                new(data.Detector, "ink", [.. Of(data, data.Detector, MetricNames.AfReasoningRate, Tier.Training)]),
                new($"{detector}, raw", colour, [.. Of(data, detector, MetricNames.AfReasoningRate, Tier.Training)]),
                new(
                    "prediction-powered",
                    "corrected",
                    [.. Of(data, detector, $"{MetricNames.AfReasoningRate}/{MetricNames.PredictionPowered}", Tier.Training)]
                ),
            ];
            charts.Add(new LineChart($"AF rate, training tier: {detector}", "of responses of the tier", curves, Percent: true).Picture());
        }

        foreach (
            var (figure, title) in new[]
            {
                ("sensitivity", "Sensitivity against the labelled sample"),
                ("specificity", "Specificity against the labelled sample"),
            }
        )
            charts.Add(
                new LineChart(
                    title,
                    "of the sample",
                    [.. others.Select((d, i) => new Curve(d, Colours[i], [.. Of(data, d, MetricNames.Detector(figure), null)]))],
                    Percent: true
                ).Picture()
            );
        return Picture.Row([.. charts]);
    }

    private static IEnumerable<CurvePoint> Of(ReportData data, string detector, string metric, Tier? tier) =>
        data
            .AllDetectors.Where(s => s.Detector == detector && s.Metric == metric && s.Tier == tier)
            .Select(s => ReportData.Point(s.Step, s.Estimate, tier is null ? null : data.Link(metric, tier, s.Step, detector)));
}

/// <summary>What monitors of RL are worth against the truth, evaluation by evaluation: whether the policy learns to evade them.</summary>
internal static class MonitorSection
{
    private const string Prefix = "monitor/";
    private static readonly string[] Colours = ["one", "two", "three"];
    private static readonly (string Figure, string Title)[] Charts =
    [
        ("auroc", "AUROC of monitors"),
        ("sensitivity", "Sensitivity of monitors, at their thresholds"),
        ("specificity", "Specificity of monitors, at their thresholds"),
    ];

    private static readonly (string Figure, string Header)[] Columns =
    [
        ("auroc", "#AUROC"),
        ("sensitivity", "#sensitivity"),
        ("specificity", "#specificity"),
        ("sensitivity_at_fpr_1", "#sensitivity at 1 % FPR"),
        ("sensitivity_at_fpr_5", "#sensitivity at 5 % FPR"),
        (MetricNames.TokensPerVerdict, "#tokens a verdict"),
    ];

    public static string Html(ReportData data)
    {
        var rows = data.AllDetectors.Where(s => s.Metric.StartsWith(Prefix, StringComparison.Ordinal)).ToArray();
        if (rows.Length == 0)
            return "";
        string[] monitors = [.. rows.Select(s => s.Detector).Distinct().Order(StringComparer.Ordinal)];
        IEnumerable<CurvePoint> Of(string monitor, string figure, Tier? tier) =>
            rows.Where(s => s.Detector == monitor && s.Metric == Prefix + figure && s.Tier == tier).Select(s => ReportData.Point(s.Step, s.Estimate, null));
        var charts = Charts
            .Select(c =>
                new LineChart(
                    c.Title,
                    "training tier",
                    [.. monitors.Select((m, i) => new Curve(m, Colours[i % Colours.Length], [.. Of(m, c.Figure, Tier.Training)]))],
                    Percent: c.Figure != "auroc"
                ).Picture()
            )
            .ToArray();
        var table = new HtmlTable(["monitor", "step", "tiers", .. Columns.Select(c => c.Header)]);
        foreach (var monitor in monitors)
            foreach (var step in rows.Where(s => s.Detector == monitor).Select(s => s.Step).Distinct().Order())
                foreach (var tier in new Tier?[] { Tier.Training, null })
                    table.Row([
                        Svg.Escape(monitor),
                step.ToString(CultureInfo.InvariantCulture),
                tier is null ? "both" : MetricLabels.Of(tier.Value),
                .. Columns.Select(c =>
                    rows.FirstOrDefault(s => s.Detector == monitor && s.Step == step && s.Tier == tier && s.Metric == Prefix + c.Figure) is { } row
                        ? Cell(c.Figure, row.Estimate)
                        : "–"
                ),
            ]);
        return "<h2>Monitors of training, against the truth</h2>\n"
            + Picture.Row(charts)
            + table
            + "<p class=\"note\">A monitor that is fitted or set before RL is judged at each evaluation by labels that it did not see. Falling AUROC says that "
            + "what it reads no longer tells faking from honesty; falling sensitivity at a steady AUROC, that scores have moved past its threshold. "
            + "Sensitivity at a false-positive rate takes the threshold of that evaluation’s own negatives, and stands only where they are enough. "
            + "Tokens a verdict are those that a model read and wrote for it: prompt and answer of a judge, the whole conversation for a probe.</p>\n";
    }

    private static string Cell(string figure, Estimate estimate) =>
        figure switch
        {
            "auroc" => string.Create(
                CultureInfo.InvariantCulture,
                $"{estimate.Value:f3}{(double.IsNaN(estimate.Low) ? "" : $" ({estimate.Low:f3} to {estimate.High:f3})")}"
            ),
            MetricNames.TokensPerVerdict => string.Create(CultureInfo.InvariantCulture, $"{estimate.Value:f0}"),
            _ => ReportBuilder.Figure(estimate),
        };
}
