using RlHarness.Experiment.Prompts;
using RlHarness.Experiment.Statistics;

namespace RlHarness.Tracking.Report;

/// <summary>One stacked bar: shares by outcome class, in the order of <see cref="OutcomeChart.Classes"/>.</summary>
/// <param name="Links">Where the transcripts of each class are; null where none are shown.</param>
internal sealed record OutcomeBar(string Name, int N, IReadOnlyList<double> Shares, IReadOnlyList<string?>? Links = null)
{
    /// <summary>Bars of the same group stand below one heading.</summary>
    public string Group { get; init; } = "";

    /// <summary>Of one tier at one step; null where it was not evaluated.</summary>
    public static OutcomeBar? Of(ReportData data, Tier tier, long step, string name) =>
        Of((metric, t) => data.Figure(metric, t, step), (metric, t) => data.Link(metric, t, step), tier, name);

    /// <summary>Of one tier, by each class's figure and the place of its transcripts.</summary>
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
