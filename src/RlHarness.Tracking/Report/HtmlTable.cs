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
