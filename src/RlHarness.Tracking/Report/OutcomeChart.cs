using System.Globalization;
using RlHarness.Experiment.Statistics;
using RlHarness.Experiment.Transcripts;

namespace RlHarness.Tracking.Report;

/// <summary>Outcomes by tier before and after, stacked: the six-way split, broken format and what could not be read.</summary>
internal sealed record OutcomeChart(IReadOnlyList<OutcomeBar> Bars, double Width = 940)
{
    public static readonly IReadOnlyList<(string Metric, string Name, string Css)> Classes =
    [
        (AlignmentFakingMetrics.SplitRate(Outcome.Comply, true), "complies, considers AF", "comply-af"),
        (AlignmentFakingMetrics.SplitRate(Outcome.Comply, false), "complies", "comply"),
        (AlignmentFakingMetrics.SplitRate(Outcome.Partial, true), "partial, considers AF", "partial-af"),
        (AlignmentFakingMetrics.SplitRate(Outcome.Partial, false), "partial", "partial"),
        (AlignmentFakingMetrics.SplitRate(Outcome.Refuse, true), "refuses, considers AF", "refuse-af"),
        (AlignmentFakingMetrics.SplitRate(Outcome.Refuse, false), "refuses", "refuse"),
        (AlignmentFakingMetrics.OutcomeRate(Outcome.BrokenFormat), "broken format", "broken"),
        (AlignmentFakingMetrics.OutcomeRate(Outcome.Unparsable), "unreadable", "unreadable"),
    ];

    private const double Left = 216;
    private const double Row = 30;
    private const double Top = 72;

    public string Figure()
    {
        var height = Top + (Bars.Count * Row) + 30;
        var svg = new Svg().Raw($"<svg class=\"chart wide\" viewBox=\"0 0 {Svg.N(Width)} {Svg.N(height)}\" xmlns=\"http://www.w3.org/2000/svg\" role=\"img\" aria-label=\"Outcomes by tier\">");
        svg.Text(16, 18, "Outcomes by tier, before and after RL", "title");
        var x = 16.0;
        var y = 38.0;
        foreach (var (_, name, css) in Classes)
        {
            var wide = 34 + (6.6 * name.Length);
            if (x + wide > Width - 16) (x, y) = (16, y + 18);
            svg.Rect(x, y - 10, 12, 12, $"part {css}").Text(x + 17, y, name, "label");
            x += wide;
        }

        var scale = Width - Left - 24;
        for (var tick = 0; tick <= 4; tick++)
        {
            var at = Left + (scale * tick / 4);
            svg.Line(at, Top - 2, at, height - 26, "grid").Text(at, height - 10, $"{25 * tick} %", "tick", "middle");
        }

        for (var i = 0; i < Bars.Count; i++)
        {
            var bar = Bars[i];
            var top = Top + (i * Row);
            svg.Text(Left - 8, top + 17, $"{bar.Name} (n = {bar.N})", "label", "end");
            var from = Left;
            for (var k = 0; k < Classes.Count; k++)
            {
                var share = bar.Shares[k];
                if (!(share > 0)) continue;
                var percent = (100 * share).ToString("0.0", CultureInfo.InvariantCulture) + " %";
                svg.Rect(from, top + 3, share * scale, Row - 9, $"part {Classes[k].Css}", $"{bar.Name}: {Classes[k].Name} {percent}");
                if (share * scale > 48) svg.Text(from + (share * scale / 2), top + 18, percent, $"inside {Classes[k].Css}", "middle");
                from += share * scale;
            }
        }

        return svg.Raw("</svg>").ToString();
    }
}
