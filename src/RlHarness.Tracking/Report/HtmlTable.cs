using System.Text;

namespace RlHarness.Tracking.Report;

/// <summary>A table; a column whose name begins with # holds numbers. Cells are HTML.</summary>
internal sealed class HtmlTable
{
    private readonly string[] _classes;
    private readonly StringBuilder _html = new("<div class=\"scroll\"><table>\n<thead><tr>");

    public HtmlTable(params string[] columns)
    {
        _classes = [.. columns.Select(c => c.StartsWith('#') ? " class=\"number\"" : "")];
        foreach (var (column, css) in columns.Zip(_classes))
            _html.Append("<th").Append(css).Append('>').Append(Svg.Escape(column.TrimStart('#'))).Append("</th>");
        _html.Append("</tr></thead>\n<tbody>\n");
    }

    public HtmlTable Row(params string[] cells)
    {
        _html.Append("<tr>");
        foreach (var (cell, css) in cells.Zip(_classes))
            _html.Append("<td").Append(css).Append('>').Append(cell).Append("</td>");
        _html.Append("</tr>\n");
        return this;
    }

    public override string ToString() => _html + "</tbody>\n</table></div>\n";

    public static string Link(string html, string? href) => href is null ? html : $"<a href=\"{Svg.Escape(href)}\">{html}</a>";
}

/// <summary>A self-contained page in the report's style, for results that are not a run's.</summary>
public static class PlainPage
{
    /// <param name="title">As plain text.</param>
    /// <param name="body">As HTML.</param>
    public static string Of(string title, string body) =>
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
        + "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n"
        + $"<title>{Escape(title)}</title>\n<style>\n{ReportStyle.Figure}\n{ReportStyle.Page}\n</style>\n</head>\n<body>\n{body}</body>\n"
        + "</html>\n";

    public static string Escape(string? text) => Svg.Escape(text);
}

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
