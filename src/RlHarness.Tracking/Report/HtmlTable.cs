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
