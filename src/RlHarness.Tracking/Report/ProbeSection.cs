using System.Globalization;
using RlHarness.Tracking.Store;

namespace RlHarness.Tracking.Report;

/// <summary>Linear probes: AUROC over the layers against each kind of negative, and the ROC of every layer.</summary>
internal static class ProbeSection
{
    private static readonly (string Against, string Name, string Css)[] Kinds =
    [
        ("all", "all others", "one"),
        ("honest_compliance", "honest compliance", "two"),
        ("considers_but_refuses", "considers, refuses", "three"),
    ];

    public static string Html(ProbeCurves? probe)
    {
        if (probe is null || probe.Curves.Count == 0)
            return "";
        Curve[] sweep =
        [
            .. Kinds
                .Select(k => new Curve(k.Name, k.Css, [.. probe.Curves.Where(c => c.Against == k.Against).Select(c => ReportData.Point(c.Layer, c.Auroc))]))
                .Where(c => c.Points.Count > 0),
        ];
        var charts = Kinds
            .Select(k => (k, Layers: probe.Curves.Where(c => c.Against == k.Against).ToArray()))
            .Where(p => p.Layers.Length > 0)
            .Select(p => Roc(p.k.Name, p.k.Css, p.Layers))
            .ToArray();
        return string.Create(
                CultureInfo.InvariantCulture,
                $"<h2>Linear probes</h2>\n<p class=\"note\">Mean hidden state of the scratchpad, labels by {Svg.Escape(probe.Labels)}, model "
                    + $"of step {probe.Step}; scores of queries that a probe never saw. Layer 0 is the embedding, the last is behind the final norm. "
                    + $"The best layer is chosen on these very scores, which flatters it.</p>\n"
            ) + Picture.Row([new LineChart("AUROC by layer", "AUROC", sweep, Percent: false) { XLabel = "layer" }.Picture(), .. charts]);
    }

    private static string Roc(string name, string css, ProbeCurves.Curve[] layers)
    {
        var best = layers.MaxBy(l => l.Auroc.Value)!;
        var curves = layers
            .Where(l => l != best)
            .Append(best)
            .Select(l => new RocChart.Curve(
                string.Create(CultureInfo.InvariantCulture, $"layer {l.Layer}: {l.Auroc.Value:0.000}"),
                l == best ? css : "faint",
                l.FalsePositiveRates,
                l.TruePositiveRates,
                InLegend: l == best
            ))
            .ToArray();
        var table = new HtmlTable("layer", "#AUROC", "#95 %", "#positives", "#negatives");
        foreach (var l in layers)
            table.Row(
                l.Layer.ToString(CultureInfo.InvariantCulture),
                l.Auroc.Value.ToString("0.000", CultureInfo.InvariantCulture),
                string.Create(CultureInfo.InvariantCulture, $"{l.Auroc.Low:0.000} to {l.Auroc.High:0.000}"),
                $"{l.Positives}",
                $"{l.Negatives}"
            );
        return Picture.Html(new RocChart($"ROC by layer, against {name}", curves).Figure(), table.ToString());
    }
}
