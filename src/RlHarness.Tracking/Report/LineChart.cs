using System.Globalization;

namespace RlHarness.Tracking.Report;

/// <summary>Curves over steps with interval bands, as one SVG group or figure.</summary>
internal sealed record LineChart(string Title, string YLabel, IReadOnlyList<Curve> Curves, bool Percent, double Width = 460, double Height = 270)
{
    private const double Left = 56;
    private const double Top = 58;
    private const double Bottom = 40;
    private const double Right = 16;

    public string Draw(double atX = 0, double atY = 0)
    {
        var svg = new Svg().Raw($"<g transform=\"translate({Svg.N(atX)} {Svg.N(atY)})\" role=\"img\" aria-label=\"{Svg.Escape(Title)}\">");
        svg.Text(Left - 40, 18, Title, "title");
        var all = Curves.SelectMany(c => c.Points).Where(p => double.IsFinite(p.Y)).ToList();
        if (all.Count == 0)
        {
            svg.Text(Width / 2, Height / 2, "no data yet", "label", "middle");
            return svg.Raw("</g>").ToString();
        }

        var (xMin, xMax) = (all.Min(p => p.X), all.Max(p => p.X));
        if (xMax <= xMin) (xMin, xMax) = (xMin - 0.5, xMax + 0.5);
        var limits = all.SelectMany(p => new[] { p.Y, p.Low, p.High }).Where(double.IsFinite).ToList();
        var (yMin, yMax) = Percent ? (Math.Min(0, limits.Min()), Math.Max(0.05, limits.Max())) : (limits.Min(), limits.Max());
        if (yMax <= yMin) (yMin, yMax) = (yMin - 0.5, yMax + 0.5);
        var step = NiceStep((yMax - yMin) / 5);
        (yMin, yMax) = (Math.Floor((yMin / step) + 1e-9) * step, Math.Ceiling((yMax / step) - 1e-9) * step);
        if (Percent) yMax = Math.Min(1, yMax);
        double X(double x) => Left + ((x - xMin) / (xMax - xMin) * (Width - Left - Right));
        double Y(double y) => Height - Bottom - ((y - yMin) / (yMax - yMin) * (Height - Top - Bottom));

        for (var k = 0; yMin + (k * step) <= yMax + (step * 1e-6); k++)
        {
            var y = yMin + (k * step);
            svg.Line(Left, Y(y), Width - Right, Y(y), Math.Abs(y) < step * 1e-6 ? "axis" : "grid").Text(Left - 6, Y(y) + 4, Label(y, step), "tick", "end");
        }

        var xStep = Math.Max(1, NiceStep((xMax - xMin) / 5));
        for (var x = Math.Ceiling(xMin / xStep) * xStep; x <= xMax + (xStep * 1e-6); x += xStep)
            svg.Line(X(x), Height - Bottom, X(x), Height - Bottom + 4, "axis").Text(X(x), Height - Bottom + 17, x.ToString("0.##", CultureInfo.InvariantCulture), "tick", "middle");
        svg.Text((Left + Width - Right) / 2, Height - 5, "RL step", "label", "middle");
        svg.Raw($"<text class=\"label\" text-anchor=\"middle\" transform=\"translate(13 {Svg.N((Top + Height - Bottom) / 2)}) rotate(-90)\">{Svg.Escape(YLabel)}</text>");

        foreach (var curve in Curves)
        {
            var points = curve.Points.Where(p => double.IsFinite(p.Y)).OrderBy(p => p.X).ToList();
            var band = points.Where(p => double.IsFinite(p.Low) && double.IsFinite(p.High)).ToList();
            if (band.Count > 1) svg.Path(band.Select(p => (X(p.X), Y(p.High))).Concat(band.AsEnumerable().Reverse().Select(p => (X(p.X), Y(p.Low)))), $"band {curve.Css}", closed: true);
            if (band.Count == 1) svg.Line(X(band[0].X), Y(band[0].Low), X(band[0].X), Y(band[0].High), $"whisker {curve.Css}");
            if (points.Count > 1) svg.Path(points.Select(p => (X(p.X), Y(p.Y))), $"curve {curve.Css}");
            if (points.Count <= 40)
                foreach (var p in points) svg.Circle(X(p.X), Y(p.Y), 3, $"dot {curve.Css}", Tooltip(curve.Name, p));
        }

        if (Curves.Count > 1) Legend(svg);
        return svg.Raw("</g>").ToString();
    }

    /// <summary>The chart as an SVG element in a page.</summary>
    public string Figure() => $"<svg class=\"chart\" viewBox=\"0 0 {Svg.N(Width)} {Svg.N(Height)}\" xmlns=\"http://www.w3.org/2000/svg\">\n{Draw()}</svg>\n";

    private void Legend(Svg svg)
    {
        var x = Left;
        foreach (var curve in Curves)
        {
            svg.Line(x, 36, x + 18, 36, $"curve {curve.Css}").Circle(x + 9, 36, 3, $"dot {curve.Css}", curve.Name).Text(x + 24, 40, curve.Name, "label");
            x += 40 + (6.6 * curve.Name.Length);
        }
    }

    private string Tooltip(string name, CurvePoint p)
    {
        var interval = double.IsFinite(p.Low) && double.IsFinite(p.High) ? $" [{Value(p.Low)}, {Value(p.High)}]" : "";
        var n = p.N > 0 ? $", n = {p.N}" : "";
        return string.Create(CultureInfo.InvariantCulture, $"{name}, step {p.X:0}: {Value(p.Y)}{interval}{n}");
    }

    private string Value(double y) => Percent ? (100 * y).ToString("0.0", CultureInfo.InvariantCulture) + " %" : y.ToString("0.####", CultureInfo.InvariantCulture);

    private string Label(double y, double step)
    {
        if (Percent) return (100 * y).ToString(step < 0.0099 ? "0.0" : "0", CultureInfo.InvariantCulture) + " %";
        var decimals = Math.Clamp((int)Math.Ceiling(-Math.Log10(step) - 1e-9), 0, 6);
        return y.ToString("F" + decimals.ToString(CultureInfo.InvariantCulture), CultureInfo.InvariantCulture);
    }

    /// <summary>1, 2 or 5 times a power of ten, at least as large as wanted.</summary>
    internal static double NiceStep(double wanted)
    {
        var power = Math.Pow(10, Math.Floor(Math.Log10(wanted)));
        var digit = wanted / power;
        return power * (digit <= 1 ? 1 : digit <= 2 ? 2 : digit <= 5 ? 5 : 10);
    }
}
