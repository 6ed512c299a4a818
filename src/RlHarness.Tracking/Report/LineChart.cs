using System.Globalization;

namespace RlHarness.Tracking.Report;

/// <summary>Curves over steps (or layers) with interval bands, as one SVG group or figure.</summary>
internal sealed record LineChart(string Title, string YLabel, IReadOnlyList<Curve> Curves, bool Percent, double Width = 460, double Height = 270)
{
    private const double Right = 16;

    /// <summary>What goes from left to right.</summary>
    public string XLabel { get; init; } = "RL step";

    /// <summary>What the bands are.</summary>
    public string Band { get; init; } = "95 %";

    public string Draw(double atX = 0, double atY = 0)
    {
        var svg = new Svg().Raw($"<g transform=\"translate({Svg.N(atX)} {Svg.N(atY)})\">");
        svg.Text(16, 18, Title, "title");
        var all = Curves.SelectMany(c => c.Points).Where(p => double.IsFinite(p.Y)).ToList();
        if (all.Count == 0)
            return svg.Text(Width / 2, Height / 2, "no data yet", "label", "middle").Raw("</g>").ToString();
        var limits = all.SelectMany(p => new[] { p.Y, p.Low, p.High }).Where(double.IsFinite).ToList();
        var up = Axis.Around(YLabel, limits, Percent);
        var left = PlotFrame.Room(up);
        var rows = Curves.Count > 1 ? Legend.Rows(Curves.Select(c => c.Name), left, Width) : 1;
        var frame = new PlotFrame(Axis.Whole(XLabel, [.. all.Select(p => p.X)]), up, Width, Height, left, 40 + (Legend.Row * rows), Right);
        frame.Draw(svg);
        foreach (var curve in Curves)
            Draw(svg, frame, curve);
        if (Curves.Count > 1)
            Legend.Draw(svg, [.. Curves.Select(c => (c.Name, c.Css))], left, 40, Width, line: true);
        return svg.Raw("</g>").ToString();
    }

    /// <summary>The chart as an SVG element in a page.</summary>
    public string Figure() => Svg.Figure(Width, Height, Title, $"{YLabel} over {XLabel}: {string.Join(", ", Curves.Select(c => c.Name))}", Draw());

    /// <summary>Its numbers, each linked to what is behind it.</summary>
    public string Numbers()
    {
        var table = new HtmlTable($"{XLabel}", "curve", $"#{YLabel}", $"#{Band}", "#n");
        var words = new Axis(YLabel, 0, 1, 1, Percent);
        foreach (var (curve, p) in Curves.SelectMany(c => c.Points.Where(p => double.IsFinite(p.Y)).Select(p => (c, p))).OrderBy(r => r.p.X))
            table.Row(
                p.X.ToString("0", CultureInfo.InvariantCulture),
                Svg.Escape(curve.Name),
                HtmlTable.Link(words.Value(p.Y), p.Href),
                double.IsFinite(p.Low) ? $"{words.Value(p.Low)} to {words.Value(p.High)}" : "–",
                p.N > 0 ? p.N.ToString(CultureInfo.InvariantCulture) : "–"
            );
        return table.ToString();
    }

    /// <summary>Figure and numbers.</summary>
    public string Picture(string? note = null) => Report.Picture.Html(Figure(), Numbers(), note);

    private void Draw(Svg svg, PlotFrame frame, Curve curve)
    {
        var points = curve.Points.Where(p => double.IsFinite(p.Y)).OrderBy(p => p.X).ToList();
        var band = points.Where(p => double.IsFinite(p.Low) && double.IsFinite(p.High)).ToList();
        if (band.Count > 1)
            svg.Path(
                band.Select(p => (frame.X(p.X), frame.Y(p.High))).Concat(band.AsEnumerable().Reverse().Select(p => (frame.X(p.X), frame.Y(p.Low)))),
                $"band {curve.Css}",
                closed: true
            );
        if (band.Count == 1)
            frame.Whisker(svg, band[0].X, band[0].Low, band[0].High, curve.Css);
        if (points.Count > 1)
            svg.Path(points.Select(p => (frame.X(p.X), frame.Y(p.Y))), $"curve {curve.Css}");
        if (points.Count <= 40)
            foreach (var p in points)
                svg.Circle(frame.X(p.X), frame.Y(p.Y), 3, $"dot {curve.Css}", Tooltip(frame, curve.Name, p), p.Href);
    }

    private string Tooltip(PlotFrame frame, string name, CurvePoint p)
    {
        var interval = double.IsFinite(p.Low) && double.IsFinite(p.High) ? $" [{frame.Up.Value(p.Low)}, {frame.Up.Value(p.High)}]" : "";
        var n = p.N > 0 ? $", n = {p.N}" : "";
        return string.Create(CultureInfo.InvariantCulture, $"{name}, {XLabel} {p.X:0}: {frame.Up.Value(p.Y)}{interval}{n}");
    }
}

/// <summary>One line of a chart; <paramref name="Css"/> names its colour: <c>training</c>, <c>unmonitored</c>, <c>one</c>, <c>two</c>.</summary>
internal sealed record Curve(string Name, string Css, IReadOnlyList<CurvePoint> Points);

/// <summary>One point of a curve with its interval; limits are NaN where there is none.</summary>
/// <param name="Href">Where the transcripts behind it are; null where none are shown.</param>
internal readonly record struct CurvePoint(double X, double Y, double Low, double High, int N, string? Href = null);
