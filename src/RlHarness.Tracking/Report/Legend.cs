namespace RlHarness.Tracking.Report;

/// <summary>Names of a chart's colours in rows that never leave it.</summary>
internal static class Legend
{
    public const double Row = 18;

    /// <summary>Rows that the names need in a chart of this width.</summary>
    public static int Rows(IEnumerable<string> names, double left, double width) => Places(names, left, width).Select(p => p.Row).DefaultIfEmpty(-1).Max() + 1;

    /// <param name="line">A line with a dot, or a filled square.</param>
    public static void Draw(Svg svg, IReadOnlyList<(string Name, string Css)> entries, double left, double top, double width, bool line)
    {
        foreach (var ((name, css), (row, x)) in entries.Zip(Places(entries.Select(e => e.Name), left, width)))
        {
            var y = top + (row * Row);
            if (line)
                svg.Line(x, y - 4, x + 18, y - 4, $"curve {css}").Circle(x + 9, y - 4, 3, $"dot {css}", name);
            else
                svg.Rect(x, y - 10, 12, 12, $"part {css}");
            svg.Text(x + (line ? 24 : 17), y, name, "label");
        }
    }

    private static IEnumerable<(int Row, double X)> Places(IEnumerable<string> names, double left, double width)
    {
        var (row, x) = (0, left);
        foreach (var name in names)
        {
            var wide = 40 + Svg.Wide(name);
            if (x + wide > width && x > left)
                (row, x) = (row + 1, left);
            yield return (row, x);
            x += wide;
        }
    }
}
