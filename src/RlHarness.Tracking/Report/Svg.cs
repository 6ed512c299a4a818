using System.Globalization;
using System.Net;
using System.Text;

namespace RlHarness.Tracking.Report;

/// <summary>Writes elements with invariant numbers and escaped text.</summary>
internal sealed class Svg
{
    private readonly StringBuilder _text = new();

    public static string Escape(string? text) => WebUtility.HtmlEncode(text ?? "");

    public static string N(double value) => Math.Round(value, 2).ToString("0.##", CultureInfo.InvariantCulture);

    /// <summary>Width of a text of the page's 12 px type, a little generous.</summary>
    public static double Wide(string text) => 6.6 * text.Length;

    /// <summary>A chart in a page, with the name and the sentence that a screen reader reads.</summary>
    public static string Figure(double width, double height, string title, string about, string inner, bool wide = false) =>
        $"<svg class=\"chart{(wide ? " wide" : "")}\" viewBox=\"0 0 {N(width)} {N(height)}\" xmlns=\"http://www.w3.org/2000/svg\" "
        + $"role=\"group\"><title>{Escape(title)}</title><desc>{Escape(about)}</desc>\n{inner}</svg>\n";

    public Svg Line(double x1, double y1, double x2, double y2, string css) =>
        Raw($"<line class=\"{css}\" x1=\"{N(x1)}\" y1=\"{N(y1)}\" x2=\"{N(x2)}\" y2=\"{N(y2)}\"/>");

    public Svg Text(double x, double y, string text, string css, string anchor = "start") =>
        Raw($"<text class=\"{css}\" x=\"{N(x)}\" y=\"{N(y)}\" text-anchor=\"{anchor}\">{Escape(text)}</text>");

    public Svg Rect(double x, double y, double width, double height, string css, string? title = null, string? href = null) =>
        Raw(
            Linked(
                href,
                $"<rect class=\"{css}\" x=\"{N(x)}\" y=\"{N(y)}\" width=\"{N(width)}\" "
                    + $"height=\"{N(height)}\">{(title is null ? "" : $"<title>{Escape(title)}</title>")}</rect>"
            )
        );

    public Svg Circle(double x, double y, double r, string css, string title, string? href = null) =>
        Raw(Linked(href, $"<circle class=\"{css}\" cx=\"{N(x)}\" cy=\"{N(y)}\" r=\"{N(r)}\"><title>{Escape(title)}</title></circle>"));

    public Svg Path(IEnumerable<(double X, double Y)> points, string css, bool closed = false, string? title = null)
    {
        var d = $"M{string.Join('L', points.Select(p => $"{N(p.X)} {N(p.Y)}"))}{(closed ? "Z" : "")}";
        return Raw(title is null ? $"<path class=\"{css}\" d=\"{d}\"/>" : $"<path class=\"{css}\" d=\"{d}\"><title>{Escape(title)}</title></path>");
    }

    public Svg Raw(string text)
    {
        _text.Append(text).Append('\n');
        return this;
    }

    public override string ToString() => _text.ToString();

    private static string Linked(string? href, string element) => href is null ? element : $"<a href=\"{Escape(href)}\">{element}</a>";
}

/// <summary>A chart with its numbers below it, folded, and a sentence where it needs one.</summary>
internal static class Picture
{
    public static string Html(string figure, string numbers, string? note = null, bool wide = false) =>
        $"<figure{(wide ? " class=\"wide\"" : "")}>\n{figure}{(note is null ? "" : $"<figcaption>{Svg.Escape(note)}</figcaption>\n")}"
        + $"<details class=\"numbers\"><summary>numbers</summary>\n{numbers}</details>\n</figure>\n";

    /// <summary>Charts side by side where the page is wide enough.</summary>
    public static string Row(params string[] pictures)
    {
        var there = pictures.Where(p => p.Length > 0).ToArray();
        return there.Length == 0 ? "" : "<div class=\"charts\">\n" + string.Concat(there) + "</div>\n";
    }
}

/// <summary>Where a chart's values lie: scales from values to coordinates, grid, ticks and the axes' names.</summary>
internal sealed record PlotFrame(Axis Across, Axis Up, double Width, double Height, double Left = 56, double Top = 58, double Right = 16, double Bottom = 40)
{
    /// <summary>Room for an axis' ticks and its name, at least the usual 56.</summary>
    public static double Room(Axis up) => Math.Max(56, 30 + up.Ticks().Max(t => Svg.Wide(up.Label(t))));

    public double X(double value) => Left + ((value - Across.Min) / (Across.Max - Across.Min) * (Width - Left - Right));

    public double Y(double value) => Height - Bottom - ((value - Up.Min) / (Up.Max - Up.Min) * (Height - Top - Bottom));

    public void Draw(Svg svg)
    {
        foreach (var y in Up.Ticks())
            svg.Line(Left, Y(y), Width - Right, Y(y), Math.Abs(y) < Up.Step * 1e-6 ? "axis" : "grid").Text(Left - 6, Y(y) + 4, Up.Label(y), "tick", "end");
        foreach (var x in Across.Ticks())
            svg.Line(X(x), Height - Bottom, X(x), Height - Bottom + 4, "axis").Text(X(x), Height - Bottom + 17, Across.Label(x), "tick", "middle");
        svg.Text((Left + Width - Right) / 2, Height - 5, Across.Name, "label", "middle");
        svg.Raw(
            $"<text class=\"label\" text-anchor=\"middle\" transform=\"translate(13 {Svg.N((Top + Height - Bottom) / 2)}) "
                + $"rotate(-90)\">{Svg.Escape(Up.Name)}</text>"
        );
    }

    /// <summary>A value with its interval upwards, where it has one.</summary>
    public void Whisker(Svg svg, double x, double low, double high, string css)
    {
        if (double.IsFinite(low) && double.IsFinite(high))
            svg.Line(X(x), Y(low), X(x), Y(high), $"whisker {css}");
    }
}
