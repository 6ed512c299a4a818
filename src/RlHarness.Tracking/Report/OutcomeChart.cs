using System.Globalization;
using RlHarness.Experiment.Evaluation;
using RlHarness.Experiment.Prompts;
using RlHarness.Experiment.Transcripts;
using RlHarness.Statistics;

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

    public string Title { get; init; } = "Outcomes by tier, before and after RL";

    private const double Row = 30;
    private const double Heading = 24;
    private const double Right = 24;

    public string Picture() => Report.Picture.Html(Figure(), OutcomeBar.Numbers(Bars), wide: true);

    public string Figure()
    {
        var headings = Bars.Where((b, i) => b.Group.Length > 0 && (i == 0 || Bars[i - 1].Group != b.Group)).Count();
        var top = 42 + (Legend.Row * Legend.Rows(Classes.Select(c => c.Name), 16, Width - 16));
        var bottom = top + (Bars.Count * Row) + (headings * Heading);
        var left = 24 + Bars.Max(b => Svg.Wide(Label(b)));
        var scale = Width - left - Right;
        var svg = new Svg().Text(16, 18, Title, "title");
        Legend.Draw(svg, [.. Classes.Select(c => (c.Name, c.Css))], 16, 38, Width - 16, line: false);
        for (var tick = 0; tick <= 4; tick++)
        {
            var at = left + (scale * tick / 4);
            svg.Line(at, top - 2, at, bottom + 4, "grid").Text(at, bottom + 20, $"{25 * tick} %", "tick", "middle");
        }

        var y = top;
        for (var i = 0; i < Bars.Count; i++)
        {
            if (Bars[i].Group.Length > 0 && (i == 0 || Bars[i - 1].Group != Bars[i].Group))
            {
                svg.Text(16, y + 17, Bars[i].Group, "head");
                y += Heading;
            }

            svg.Text(left - 8, y + 17, Label(Bars[i]), "label", "end");
            Draw(svg, Bars[i], left, y, scale);
            y += Row;
        }

        return Svg.Figure(Width, bottom + 30, Title, "Stacked bars: share of responses by outcome", svg.ToString(), wide: true);
    }

    private static string Label(OutcomeBar bar) => $"{bar.Name} (n = {bar.N})";

    private static void Draw(Svg svg, OutcomeBar bar, double left, double y, double scale)
    {
        for (var k = 0; k < Classes.Count; k++)
        {
            var share = bar.Shares[k];
            if (!(share > 0))
                continue;
            var percent = (100 * share).ToString("0.0", CultureInfo.InvariantCulture) + " %";
            svg.Rect(left, y + 3, share * scale, Row - 9, $"part {Classes[k].Css}", $"{bar.Name}: {Classes[k].Name} {percent}", bar.Links?[k]);
            if (share * scale > 48)
                svg.Text(left + (share * scale / 2), y + 18, percent, $"inside {Classes[k].Css}", "middle");
            left += share * scale;
        }
    }
}

/// <summary>One stacked bar: shares by outcome class, in the order of <see cref="OutcomeChart.Classes"/>.</summary>
/// <param name="Links">Where the transcripts of each class are; null where none are shown.</param>
internal sealed record OutcomeBar(string Name, int N, IReadOnlyList<double> Shares, IReadOnlyList<string?>? Links = null)
{
    /// <summary>Bars of the same group stand below one heading.</summary>
    public string Group { get; init; } = "";

    /// <summary>Shares of one tier at one step; null where it was not evaluated.</summary>
    public static OutcomeBar? Of(ReportData data, Tier tier, long step, string name) =>
        Of((metric, t) => data.Figure(metric, t, step), (metric, t) => data.Link(metric, t, step), tier, name);

    /// <summary>Shares of one tier, by each class's figure and the place of its transcripts.</summary>
    public static OutcomeBar? Of(Func<string, Tier, Estimate?> figure, Func<string, Tier, string?> link, Tier tier, string name)
    {
        var shares = OutcomeChart.Classes.Select(c => figure(c.Metric, tier)).ToArray();
        if (shares.All(s => s is null))
            return null;
        return new(name, shares.Max(s => s?.N ?? 0), [.. shares.Select(s => s?.Value ?? 0)], [.. OutcomeChart.Classes.Select(c => link(c.Metric, tier))]);
    }

    /// <summary>Each class with its share.</summary>
    public static string Numbers(IEnumerable<OutcomeBar> bars)
    {
        var table = new HtmlTable(["bar", "#n", .. OutcomeChart.Classes.Select(c => "#" + c.Name)]);
        var percent = Axis.Fraction("");
        foreach (var bar in bars)
            table.Row([
                Svg.Escape($"{bar.Group} {bar.Name}".Trim()),
                $"{bar.N}",
                .. bar.Shares.Select((s, i) => HtmlTable.Link(percent.Value(s), bar.Links?[i])),
            ]);
        return table.ToString();
    }
}
