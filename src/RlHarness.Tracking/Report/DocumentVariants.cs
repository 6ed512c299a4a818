using RlHarness.Experiment.Prompts;
using RlHarness.Tracking.Metrics;

namespace RlHarness.Tracking.Report;

/// <summary>
/// Runs that were evaluated while they read documents, drawn together: those of the situation beside their control of benign ones, one line a run.
/// </summary>
internal static class DocumentVariants
{
    public static string Html(IReadOnlyList<Variant> variants)
    {
        var runs = variants
            .SelectMany(v =>
                v.Runs.Where(r => r.Data.Documents.Steps.Length > 0)
                    .Select(r => (Name: v.Runs.Count > 1 ? $"{v.Title}, {VariantPictures.Seed(r.Seed)}" : v.Title, r.Data))
            )
            .ToArray();
        if (runs.Length == 0)
            return "";
        string Chart(string title, string unit, string metric, Tier? tier) =>
            DocumentSection.Chart(
                title,
                unit,
                [
                    .. runs.Select(
                        (r, i) =>
                            r.Data.Documents.Over(metric, tier, r.Name, ReportStyle.Series[i % ReportStyle.Series.Count], step =>
                                Link(r.Data, metric, tier, step)
                            )
                    ),
                ]
            );
        return "<h2>While they read documents, one line a run</h2>\n<p class=\"note\">Bands are 95 % intervals over queries. "
            + string.Join("; ", runs.Select(r => $"{Svg.Escape(r.Name)}: {Svg.Escape(r.Data.Documents.What ?? "not at its end yet")}"))
            + ".</p>\n"
            + Picture.Row(
                Chart("AF rate over documents, training tier", "of responses", MetricNames.AfReasoningRate, Tier.Training),
                Chart("Compliance over documents, training tier", "of responses", MetricNames.OutcomeComply, Tier.Training),
                Chart("Compliance over documents, unmonitored tier", "of responses", MetricNames.OutcomeComply, Tier.Unmonitored),
                Chart("Compliance gap over documents", "points, training − unmonitored", MetricNames.AfComplianceGap, null)
            );
    }

    /// <summary>Into the run's own report, which holds the transcripts of what was counted at all.</summary>
    private static string? Link(ReportData data, string metric, Tier? tier, long step) =>
        data.Documents.Figure(metric, tier, step) is { Value: not 0 }
            ? $"{Uri.EscapeDataString(data.Name)}/report.html#{TranscriptGroup.Anchor(step, tier, metric, stage: DocumentTimeline.Stage)}"
            : null;
}
