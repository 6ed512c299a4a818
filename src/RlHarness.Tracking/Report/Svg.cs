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

    public Svg Line(double x1, double y1, double x2, double y2, string css) => Raw($"<line class=\"{css}\" x1=\"{N(x1)}\" y1=\"{N(y1)}\" x2=\"{N(x2)}\" y2=\"{N(y2)}\"/>");

    public Svg Text(double x, double y, string text, string css, string anchor = "start")
        => Raw($"<text class=\"{css}\" x=\"{N(x)}\" y=\"{N(y)}\" text-anchor=\"{anchor}\">{Escape(text)}</text>");

    public Svg Rect(double x, double y, double width, double height, string css, string? title = null)
        => Raw($"<rect class=\"{css}\" x=\"{N(x)}\" y=\"{N(y)}\" width=\"{N(width)}\" height=\"{N(height)}\">{(title is null ? "" : $"<title>{Escape(title)}</title>")}</rect>");

    public Svg Circle(double x, double y, double r, string css, string title)
        => Raw($"<circle class=\"{css}\" cx=\"{N(x)}\" cy=\"{N(y)}\" r=\"{N(r)}\"><title>{Escape(title)}</title></circle>");

    public Svg Path(IEnumerable<(double X, double Y)> points, string css, bool closed = false)
        => Raw($"<path class=\"{css}\" d=\"M{string.Join('L', points.Select(p => $"{N(p.X)} {N(p.Y)}"))}{(closed ? "Z" : "")}\"/>");

    public Svg Raw(string text)
    {
        _text.Append(text).Append('\n');
        return this;
    }

    public override string ToString() => _text.ToString();
}
