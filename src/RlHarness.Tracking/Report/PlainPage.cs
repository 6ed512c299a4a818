namespace RlHarness.Tracking.Report;

/// <summary>A self-contained page in the report's style, for results that are not a run's.</summary>
public static class PlainPage
{
    /// <param name="title">As plain text.</param>
    /// <param name="body">As HTML.</param>
    public static string Of(string title, string body) =>
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
        + $"<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n<title>{Escape(title)}</title>\n<style>\n{ReportStyle.Figure}\n{ReportStyle.Page}\n</style>\n</head>\n<body>\n{body}</body>\n</html>\n";

    public static string Escape(string? text) => Svg.Escape(text);
}
