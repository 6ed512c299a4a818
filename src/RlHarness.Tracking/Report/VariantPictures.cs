using System.Globalization;
using System.Text;
using RlHarness.Experiment.Prompts;
using RlHarness.Statistics;
using RlHarness.Tracking.Metrics;

namespace RlHarness.Tracking.Report;

/// <summary>Pictures that compare runs: cells of a design, models of a sweep, seeds. Links lead into the runs' own reports.</summary>
public static class VariantPictures
{
    /// <summary>HTML for a page that lies in the folder above the runs.</summary>
    public static string Html(IReadOnlyList<VariantRun> runs)
    {
        ArgumentNullException.ThrowIfNull(runs);
        Variant[] variants =
        [
            .. runs.GroupBy(r => r.Variant)
                .Select(
                    (g, i) =>
                        new Variant(
                            Letter(i),
                            g.Key,
                            [
                                .. g.OrderBy(r => r.Seed)
                                    .Select(r => (r.Seed, ReportData.Read(r.Folder, new ReportOptions { Detector = r.Detector, Transcripts = 0 }))),
                            ]
                        )
                ),
        ];
        if (variants.Length == 0)
            return "";
        var seeds =
            variants.Max(v => v.Runs.Count) > 1
                ? "Intervals are t intervals over seeds, n = seeds; a variant with one seed has its own interval over queries."
                : "One seed each: intervals are over queries, and say nothing of another training run.";
        return $"<h2>Pictures</h2>\n<p class=\"note\">{string.Join("; ", variants.Select(v => Svg.Escape(v.Title)))}. {seeds} A dot’s or a "
            + "number’s link opens the transcripts in that run’s report.</p>\n"
            + Scatter(variants)
            + Bars(variants)
            + Outcomes(variants)
            + Refusal(variants)
            + Lines(variants)
            + DocumentVariants.Html(variants);
    }

    internal static string Letter(int i) => i < 26 ? ((char)('A' + i)).ToString() : Letter((i / 26) - 1) + Letter(i % 26);

    private static string Scatter(Variant[] variants)
    {
        var pairs = new List<ScatterChart.Pair>();
        var table = new HtmlTable("variant", "when", "#AF, training tier", "#95 %", "#compliance gap", "#95 %", "#n");
        foreach (var (v, i) in variants.Select((v, i) => (v, i)))
        {
            if (Both(v, after: false) is not { } before)
                continue;
            var after = v.HasCourse ? Both(v, after: true) : null;
            pairs.Add(
                new(
                    v.Letter,
                    v.Name,
                    ReportStyle.Series[i % ReportStyle.Series.Count],
                    before,
                    after,
                    v.Seeds(MetricNames.AfReasoningRate, Tier.Training, after: true)[0].Href
                )
            );
            foreach (var (when, e) in new[] { ("before", before), ("after", after ?? before) }.Take(after is null ? 1 : 2))
                table.Row(
                    Svg.Escape(v.Title),
                    when,
                    Percent(e.Af.Value),
                    Range(e.Af),
                    Points(e.Gap.Value),
                    double.IsFinite(e.Gap.Low) ? $"{Points(e.Gap.Low)} to {Points(e.Gap.High)}" : "–",
                    e.Af.N.ToString(CultureInfo.InvariantCulture)
                );
        }

        return pairs.Count == 0
            ? ""
            : Picture.Html(
                new ScatterChart("AF rate against compliance gap", "points of compliance gap", "AF rate, training tier", pairs).Figure(),
                table.ToString(),
                wide: true
            );

        static (Estimate Gap, Estimate Af)? Both(Variant v, bool after) =>
            v.Mean(MetricNames.AfComplianceGap, null, after) is { } gap && v.Mean(MetricNames.AfReasoningRate, Tier.Training, after) is { } af
                ? (gap, af)
                : null;
    }

    private static string Bars(Variant[] variants)
    {
        var html = new StringBuilder();
        foreach (
            var (title, metric, tier) in new (string, string, Tier?)[]
            {
                ("AF rate, training tier", MetricNames.AfReasoningRate, Tier.Training),
                ("Compliance, training tier", MetricNames.OutcomeComply, Tier.Training),
                ("Compliance gap", MetricNames.AfComplianceGap, null),
            }
        )
        {
            var rows = variants
                .Select(v =>
                    (
                        v.Title,
                        (IReadOnlyList<RowMark>)
                            [
                                .. Whens(v)
                                    .Select(w => (w, Of: v.Mean(metric, tier, w.After)))
                                    .Where(p => p.Of is not null)
                                    .Select(p => new RowMark(p.w.Name, p.w.Css, p.Of!.Value, v.Seeds(metric, tier, p.w.After)[0].Href)),
                            ]
                    )
                )
                .Where(r => r.Item2.Count > 0)
                .ToArray();
            if (rows.Length > 0)
                html.Append(
                    new RowChart($"{title}, before and after RL", tier is null ? $"{Axis.Points} of {title.ToLowerInvariant()}" : title, rows, RowKind.Bars)
                    {
                        Unit = variants.Any(v => v.Runs.Count > 1) ? "seeds" : "n",
                    }.Picture()
                );
        }

        return html.ToString();
    }

    private static string Outcomes(Variant[] variants)
    {
        var bars = new List<OutcomeBar>();
        foreach (var v in variants)
            foreach (var tier in v.Runs[0].Data.Tiers)
                foreach (var (when, _, after) in Whens(v))
                {
                    OutcomeBar[] seeds =
                    [
                        .. v
                    .Runs.Where(r => r.Data.Steps.Length > 0)
                    .Select(r => OutcomeBar.Of(r.Data, tier, after ? r.Data.Steps[^1] : r.Data.Steps[0], ""))
                    .OfType<OutcomeBar>(),
            ];
                    if (seeds.Length == 0)
                        continue;
                    string?[] links = [.. OutcomeChart.Classes.Select(c => v.Seeds(c.Metric, tier, after).Select(s => s.Href).FirstOrDefault())];
                    double[] shares = [.. OutcomeChart.Classes.Select((_, k) => seeds.Average(s => s.Shares[k]))];
                    bars.Add(new($"{MetricLabels.Of(tier)}, {when}", seeds.Sum(s => s.N), shares, links) { Group = v.Title });
                }

        return bars.Count == 0 ? "" : new OutcomeChart(bars).Picture();
    }

    private static string Refusal(Variant[] variants)
    {
        if (variants.All(v => v.Runs.Count < 2))
            return "";
        var rows = (
            from v in variants
            from tier in v.Runs[0].Data.Tiers
            from w in Whens(v)
            let marks = v.Seeds(MetricNames.OutcomeRefuse, tier, w.After)
                .Select((s, i) => new RowMark(Seed(s.Seed), ReportStyle.Series[i % ReportStyle.Series.Count], s.Of, s.Href))
                .ToArray()
            where marks.Length > 0
            select ($"{v.Letter} {MetricLabels.Of(tier)}, {w.Name}", (IReadOnlyList<RowMark>)marks)
        ).ToArray();
        return rows.Length == 0
            ? ""
            : new RowChart("Refusal by tier, one dot a seed", "refusal", rows, RowKind.Dots).Picture("Lines are each seed’s 95 % interval over queries.");
    }

    private static string Lines(Variant[] variants)
    {
        if (variants.All(v => !v.HasCourse))
            return "";
        var html = new StringBuilder("<h2>Over the steps, one line a seed</h2>\n<p class=\"note\">Bands are 95 % intervals over queries.</p>\n");
        foreach (var v in variants.Where(v => v.HasCourse))
        {
            Curve[] Each(Func<ReportData, string, string, Curve> curve) =>
                [.. v.Runs.Select((r, i) => curve(r.Data, Seed(r.Seed), ReportStyle.Series[i % ReportStyle.Series.Count])).Where(c => c.Points.Count > 0)];
            string Chart(string title, string unit, bool percent, Func<ReportData, string, string, Curve> curve) =>
                Each(curve) is { Length: > 0 } curves ? new LineChart(title, unit, curves, percent, Width: 310, Height: 230).Picture() : "";
            html.Append(CultureInfo.InvariantCulture, $"<h3>{Svg.Escape(v.Title)}</h3>\n<div class=\"charts three\">\n")
                .Append(
                    Chart("AF rate, training tier", "of responses", true, (d, name, css) => d.OverSteps(MetricNames.AfReasoningRate, Tier.Training, name, css))
                )
                .Append(
                    Chart("Compliance gap", "points, training − unmonitored", true, (d, name, css) => d.OverSteps(MetricNames.AfComplianceGap, null, name, css))
                )
                .Append(
                    Chart("Scratchpad length, training", ScratchpadLength.Unit, false, (d, name, css) => ScratchpadLength.Curve(d, Tier.Training, name, css))
                )
                .Append("</div>\n");
        }

        return html.ToString();
    }

    private static (string Name, string Css, bool After)[] Whens(Variant v) =>
        v.HasCourse ? [("before", "before", false), ("after", "after", true)] : [("evaluated", "one", true)];

    internal static string Seed(int? seed) => seed is { } s ? $"seed {s}" : "run";

    private static string Points(double value) => new Axis(Axis.Points, 0, 1, 1, Percent: true).Value(value);

    private static string Percent(double value) => Axis.Fraction("").Value(value);

    private static string Range(Estimate e) => double.IsFinite(e.Low) ? $"{Percent(e.Low)} to {Percent(e.High)}" : "–";
}
