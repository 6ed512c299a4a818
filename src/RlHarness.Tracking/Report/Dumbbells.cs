using System.Globalization;
using RlHarness.Experiment.Statistics;

namespace RlHarness.Tracking.Report;

/// <summary>Rates before and after as two dots with a line between, each with its interval; a rate without an after is one dot.</summary>
internal sealed record Dumbbells(string Title, IReadOnlyList<(string Group, string Name, Estimate Before, Estimate? After)> Rows, double Width = 940)
{
    private const double Left = 300;
    private const double Right = 30;
    private const double Row = 28;
    private const double Top = 66;

    public string Figure()
    {
        var height = Top + (Rows.Count * Row) + 34;
        var svg = new Svg().Raw($"<svg class=\"chart wide\" viewBox=\"0 0 {Svg.N(Width)} {Svg.N(height)}\" xmlns=\"http://www.w3.org/2000/svg\" role=\"img\" aria-label=\"{Svg.Escape(Title)}\">");
        svg.Text(16, 18, Title, "title");
        svg.Circle(22, 40, 5, "dot unmonitored", "before").Text(32, 44, "before", "label").Circle(92, 40, 5, "dot training", "after").Text(102, 44, "after", "label");
        double X(double share) => Left + (share * (Width - Left - Right));
        for (var tick = 0; tick <= 4; tick++) svg.Line(X(tick / 4.0), Top - 8, X(tick / 4.0), height - 28, "grid").Text(X(tick / 4.0), height - 10, $"{25 * tick} %", "tick", "middle");
        for (var i = 0; i < Rows.Count; i++)
        {
            var (group, name, before, after) = Rows[i];
            var y = Top + (i * Row) + 8;
            svg.Text(Left - 10, y + 4, $"{group}: {name} (n = {before.N}{(after is { } a && a.N != before.N ? $", {a.N}" : "")})", "label", "end");
            if (after is { } then)
            {
                svg.Line(X(before.Value), y, X(then.Value), y, "axis");
                Dot(then, y + 3, "training", "after");
            }

            Dot(before, y - 3, "unmonitored", "before");

            void Dot(Estimate e, double at, string css, string when) => svg.Line(X(e.Low), at, X(e.High), at, $"whisker {css}")
                .Circle(X(e.Value), y, 5, $"dot {css}", string.Create(CultureInfo.InvariantCulture, $"{group}, {name}, {when}: {100 * e.Value:0.0} % [{100 * e.Low:0.0}, {100 * e.High:0.0}], n = {e.N}"));
        }

        return svg.Raw("</svg>").ToString();
    }
}
