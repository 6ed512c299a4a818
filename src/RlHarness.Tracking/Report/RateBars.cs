using System.Globalization;
using RlHarness.Experiment.Statistics;

namespace RlHarness.Tracking.Report;

/// <summary>Rates as bars from 0 to 100 %, each with its interval and n; rows of one group stand together.</summary>
/// <param name="Rows">Group (written once), name, colour, and the rate.</param>
internal sealed record RateBars(string Title, IReadOnlyList<(string Group, string Name, string Css, Estimate Rate)> Rows, double Width = 460)
{
    private const double Left = 168;
    private const double Right = 56;
    private const double Row = 17;
    private const double Between = 24;
    private const double Top = 36;

    public string Figure()
    {
        var groups = Rows.Select(r => r.Group).Distinct().Count();
        var height = Top + (Rows.Count * Row) + (groups * Between) + 30;
        var svg = new Svg().Raw($"<svg class=\"chart\" viewBox=\"0 0 {Svg.N(Width)} {Svg.N(height)}\" xmlns=\"http://www.w3.org/2000/svg\" role=\"img\" aria-label=\"{Svg.Escape(Title)}\">");
        svg.Text(16, 18, Title, "title");
        double X(double share) => Left + (share * (Width - Left - Right));
        for (var tick = 0; tick <= 4; tick++) svg.Line(X(tick / 4.0), Top - 4, X(tick / 4.0), height - 26, "grid").Text(X(tick / 4.0), height - 10, $"{25 * tick} %", "tick", "middle");
        var y = Top;
        string? group = null;
        foreach (var (of, name, css, rate) in Rows)
        {
            if (of != group)
            {
                svg.Text(16, y + 14, of, "label");
                y += Between - 4;
                group = of;
            }

            var percent = string.Create(CultureInfo.InvariantCulture, $"{100 * rate.Value:0.0} %");
            var title = string.Create(CultureInfo.InvariantCulture, $"{of}, {name}: {percent} [{100 * rate.Low:0.0}, {100 * rate.High:0.0}], n = {rate.N}");
            svg.Text(Left - 8, y + 11, $"{name} (n = {rate.N})", "tick", "end").Rect(X(0), y + 2, X(rate.Value) - X(0), Row - 6, $"band {css} solid", title);
            svg.Line(X(rate.Low), y + (Row / 2) - 1, X(rate.High), y + (Row / 2) - 1, $"whisker {css}").Text(X(Math.Max(rate.High, rate.Value)) + 5, y + 12, percent, "tick");
            y += Row;
        }

        return svg.Raw("</svg>").ToString();
    }
}
