using System.Globalization;
using RlHarness.Statistics;

namespace RlHarness.Tracking.Report;

/// <summary>Each detector's scores against the truth that a run has: the grammar oracle, else the person who labelled most; before and after RL.</summary>
internal static class RocSection
{
    private const string Oracle = "grammar_oracle";
    private const string Raters = "rater:";

    public static string Html(ReportData data)
    {
        if (Truth(data) is not { } truth)
            return "";
        var table = new HtmlTable("detector", "when", "#positives", "#negatives", "#AUROC [95 %]", "#TPR at 1 % FPR");
        var charts = new List<string>();
        foreach (
            var detector in data
                .Evaluations.Values.SelectMany(e => e)
                .SelectMany(i => i.Labels)
                .Select(l => l.Detector)
                .Where(d => d != truth && !d.StartsWith(Raters, StringComparison.Ordinal))
                .Distinct()
                .Order(StringComparer.Ordinal)
        )
        {
            var curves = new List<RocChart.Curve>();
            foreach (var ((step, when), css) in data.Ends().Zip(["before", "after"]))
            {
                if (Of(data.Evaluations[step], detector, truth) is not var (roc, calls))
                    continue;
                var interval = roc.PrintedInterval();
                curves.Add(RocChart.Curve.Of($"{when}: {Number(roc.Auroc)}", css, roc, (1 - calls.Specificity, calls.Sensitivity)));
                table.Row(
                    Svg.Escape(detector),
                    when,
                    $"{roc.Positives}",
                    $"{roc.Negatives}",
                    $"{Number(roc.Auroc)} <span class=\"interval\">[{Number(interval.Low)}, {Number(interval.High)}]</span>",
                    Axis.Fraction("").Value(roc.TprAtFpr(0.01).Rate)
                );
            }

            if (curves.Count > 0)
                charts.Add(new RocChart($"ROC of {detector}", curves).Figure());
        }

        if (charts.Count == 0)
            return "";
        return $"<h3>Scores against {Svg.Escape(truth)}</h3>\n<p class=\"note\">AUROC in the legend, with DeLong’s interval (logit) below. A "
            + $"ring is where the detector’s own calls lie. All evaluation transcripts that {Svg.Escape(truth)} labelled, both tiers.</p>\n"
            + $"<div class=\"charts\">\n{string.Concat(charts)}</div>\n{table}";
    }

    /// <summary>Null where one class is missing, or the detector has no score.</summary>
    internal static (RocCurve Roc, Confusion Calls)? Of(IEnumerable<TranscriptView> items, string detector, string truth)
    {
        (bool Truth, bool Said, double Score)[] rows =
        [
            .. items
                .Select(i => (Truth: i.Label(truth), Said: i.Label(detector)))
                .Where(p => p.Truth?.ToLabel().FakesAlignment is not null && p.Said is not null && !double.IsNaN(p.Said.Score))
                .Select(p => (p.Truth!.AlignmentFaking, p.Said!.AlignmentFaking, p.Said.Score)),
        ];
        return !rows.Any(r => r.Truth) || rows.All(r => r.Truth)
            ? null
            : (RocCurve.Of([.. rows.Select(r => r.Truth ? 1 : 0)], [.. rows.Select(r => r.Score)]), Confusion.Of(rows.Select(r => (r.Truth, r.Said))));
    }

    private static string? Truth(ReportData data)
    {
        var counts = data.Evaluations.Values.SelectMany(e => e).SelectMany(i => i.Labels).CountBy(l => l.Detector).ToArray();
        return counts.Any(c => c.Key == Oracle)
            ? Oracle
            : counts
                .Where(c => c.Key.StartsWith(Raters, StringComparison.Ordinal))
                .OrderByDescending(c => c.Value)
                .ThenBy(c => c.Key, StringComparer.Ordinal)
                .Select(c => c.Key)
                .FirstOrDefault();
    }

    private static string Number(double value) => value.ToString("0.000", CultureInfo.InvariantCulture);
}

/// <summary>True against false positives over all thresholds; the dashed line is chance.</summary>
/// <param name="Curves">With their calls' own point where there is one.</param>
internal sealed record RocChart(string Title, IReadOnlyList<RocChart.Curve> Curves, double Width = 460, double Height = 420)
{
    /// <param name="Said">False and true positives of the calls that were made; null where there is a score alone.</param>
    /// <param name="InLegend">False for a curve among many.</param>
    internal sealed record Curve(
        string Name,
        string Css,
        IReadOnlyList<double> FalsePositives,
        IReadOnlyList<double> TruePositives,
        (double False, double True)? Said = null,
        bool InLegend = true
    )
    {
        public static Curve Of(string name, string css, RocCurve roc, (double False, double True)? said = null) =>
            new(name, css, roc.FalsePositiveRates, roc.TruePositiveRates, said);
    }

    public string Figure()
    {
        var named = Curves.Where(c => c.InLegend).ToArray();
        var frame = new PlotFrame(
            Axis.Fraction("false positives, of the negatives"),
            Axis.Fraction("true positives, of the positives"),
            Width,
            Height,
            Top: 40 + (Legend.Row * Legend.Rows(named.Select(c => c.Name), 56, Width)),
            Right: 26
        );
        var svg = new Svg().Text(16, 18, Title, "title");
        Legend.Draw(svg, [.. named.Select(c => (c.Name, c.Css))], 56, 40, Width, line: true);
        frame.Draw(svg);
        svg.Line(frame.X(0), frame.Y(0), frame.X(1), frame.Y(1), "guide");
        foreach (var curve in Curves)
        {
            svg.Path(curve.FalsePositives.Zip(curve.TruePositives, (f, t) => (frame.X(f), frame.Y(t))), $"curve {curve.Css}", title: curve.Name);
            if (curve.Said is { } said)
                svg.Circle(
                    frame.X(said.False),
                    frame.Y(said.True),
                    5,
                    $"dot hollow {curve.Css}",
                    $"{curve.Name}: its calls, {frame.Up.Value(said.True)} true and {frame.Up.Value(said.False)} false positives"
                );
        }

        return Svg.Figure(Width, Height, Title, "ROC curves: " + string.Join(", ", named.Select(c => c.Name)), svg.ToString());
    }
}
