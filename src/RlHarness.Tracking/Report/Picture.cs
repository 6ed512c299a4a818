namespace RlHarness.Tracking.Report;

/// <summary>A chart with its numbers below it, folded, and a sentence where it needs one.</summary>
internal static class Picture
{
    public static string Html(string figure, string numbers, string? note = null, bool wide = false) =>
        $"<figure{(wide ? " class=\"wide\"" : "")}>\n{figure}{(note is null ? "" : $"<figcaption>{Svg.Escape(note)}</figcaption>\n")}<details class=\"numbers\"><summary>numbers</summary>\n{numbers}</details>\n</figure>\n";

    /// <summary>Charts side by side where the page is wide enough.</summary>
    public static string Row(params string[] pictures)
    {
        var there = pictures.Where(p => p.Length > 0).ToArray();
        return there.Length == 0 ? "" : "<div class=\"charts\">\n" + string.Concat(there) + "</div>\n";
    }
}
