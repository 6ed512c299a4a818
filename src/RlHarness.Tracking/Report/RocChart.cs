using RlHarness.Statistics;

namespace RlHarness.Tracking.Report;

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
