using System.Globalization;
using RlHarness.Statistics;

namespace RlHarness.Tracking.Report;

/// <summary>Named rows with values from left to right: before/after bars, dots of seeds, dumbbells of tiers.</summary>
internal sealed record RowChart(
    string Title,
    string XLabel,
    IReadOnlyList<(string Name, IReadOnlyList<RowMark> Marks)> Rows,
    RowKind Kind,
    bool Percent = true,
    double Width = 940
)
{
    private const double Lane = 13;
    private const double Right = 24;

    /// <summary>What a mark's n counts.</summary>
    public string Unit { get; init; } = "n";

    public string Picture(string? note = null)
    {
        var table = new HtmlTable("row", "value of", $"#{XLabel}", "#95 %", $"#{Unit}");
        var words = new Axis(XLabel, 0, 1, 1, Percent);
        foreach (var (row, mark) in Rows.SelectMany(r => r.Marks.Select(m => (r.Name, m))))
            table.Row(
                Svg.Escape(row),
                Svg.Escape(mark.Name),
                HtmlTable.Link(words.Value(mark.Of.Value), mark.Href),
                double.IsFinite(mark.Of.Low) ? $"{words.Value(mark.Of.Low)} to {words.Value(mark.Of.High)}" : "–",
                mark.Of.N.ToString(CultureInfo.InvariantCulture)
            );
        return Report.Picture.Html(Figure(), table.ToString(), note, wide: true);
    }

    public string Figure()
    {
        var names = Rows.SelectMany(r => r.Marks).Select(m => (m.Name, m.Css)).Distinct().ToArray();
        var left = 24 + Rows.Max(r => Svg.Wide(r.Name));
        var top = 32 + (Legend.Row * (names.Length > 1 ? Legend.Rows(names.Select(n => n.Name), 16, Width - 16) : 0));
        double[] heights = [.. Rows.Select(r => (Lane * (Kind == RowKind.Joined ? 1 : r.Marks.Count)) + 12)];
        var axis = Axis.Around(
            XLabel,
            [.. Rows.SelectMany(r => r.Marks).SelectMany(m => new[] { m.Of.Value, m.Of.Low, m.Of.High }).Where(double.IsFinite)],
            Percent
        );
        var frame = new PlotFrame(axis, Axis.Fraction(""), Width, top + heights.Sum() + 40, left, top, Right);
        var svg = new Svg().Text(16, 18, Title, "title");
        if (names.Length > 1)
            Legend.Draw(svg, names, 16, 38, Width - 16, line: true);
        foreach (var x in axis.Ticks())
            svg.Line(frame.X(x), top, frame.X(x), frame.Height - 36, Math.Abs(x) < axis.Step * 1e-6 ? "axis" : "grid")
                .Text(frame.X(x), frame.Height - 21, axis.Label(x), "tick", "middle");
        svg.Text((left + Width - Right) / 2, frame.Height - 5, XLabel, "label", "middle");
        var y = top;
        foreach (var ((name, marks), height) in Rows.Zip(heights))
        {
            svg.Text(left - 8, y + (height / 2) + 4, name, "label", "end");
            Draw(svg, frame, name, marks, y + 6 + (Lane / 2));
            y += height;
        }

        return Svg.Figure(Width, frame.Height, Title, XLabel + " by row: " + string.Join(", ", names.Select(n => n.Name)), svg.ToString(), wide: true);
    }

    private void Draw(Svg svg, PlotFrame frame, string row, IReadOnlyList<RowMark> marks, double y)
    {
        var there = marks.Where(m => double.IsFinite(m.Of.Value)).ToArray();
        if (Kind == RowKind.Joined && there.Length > 1)
            svg.Line(frame.X(there.Min(m => m.Of.Value)), y, frame.X(there.Max(m => m.Of.Value)), y, "link");
        foreach (var (mark, i) in there.Select((m, i) => (m, i)))
        {
            var (x, e) = (frame.X(mark.Of.Value), mark.Of);
            var interval = double.IsFinite(e.Low) ? $" [{frame.Across.Value(e.Low)}, {frame.Across.Value(e.High)}]" : "";
            var title = $"{row}, {mark.Name}: {frame.Across.Value(e.Value)}{interval}, {Unit} = {e.N}";
            var zero = frame.X(Math.Clamp(0, frame.Across.Min, frame.Across.Max));
            if (Kind == RowKind.Bars)
                svg.Rect(Math.Min(x, zero), y - 5, Math.Max(1, Math.Abs(x - zero)), 10, $"bar {mark.Css}", title, mark.Href);
            // Intervals of dots on one line overlap: each has its own height.
            var at = Kind == RowKind.Joined ? y + (3 * (i - ((there.Length - 1) / 2.0))) : y;
            if (double.IsFinite(e.Low))
                svg.Line(
                    frame.X(Math.Max(e.Low, frame.Across.Min)),
                    at,
                    frame.X(Math.Min(e.High, frame.Across.Max)),
                    at,
                    $"whisker {(Kind == RowKind.Bars ? "ink" : mark.Css)}"
                );
            if (Kind != RowKind.Bars)
                svg.Circle(x, y, 4, $"dot {mark.Css}", title, mark.Href);
            if (Kind != RowKind.Joined)
                y += Lane;
        }
    }
}

/// <summary>How a row's values are drawn.</summary>
internal enum RowKind
{
    Bars,
    Dots,

    /// <summary>Dots on one line that joins them: a dumbbell.</summary>
    Joined,
}

/// <summary>One value of a row: a dot or a bar with its interval.</summary>
/// <param name="Name">What its colour stands for.</param>
internal sealed record RowMark(string Name, string Css, Estimate Of, string? Href = null);
