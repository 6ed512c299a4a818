using RlHarness.Experiment.Prompts;
using RlHarness.Statistics;
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

/// <summary>All runs of one variant.</summary>
/// <param name="Letter">What stands for it in a chart.</param>
internal sealed record Variant(string Letter, string Name, IReadOnlyList<(int? Seed, ReportData Data)> Runs)
{
    public string Title => $"{Letter} {Name}";

    /// <summary>A figure of each seed that has it; with the place of its transcripts in that run's report.</summary>
    /// <param name="after">After RL, else before it.</param>
    public IReadOnlyList<(int? Seed, Estimate Of, string? Href)> Seeds(string metric, Tier? tier, bool after) =>
        [
            .. from run in Runs
            where run.Data.Steps.Length > 0
            let step = after ? run.Data.Steps[^1] : run.Data.Steps[0]
            let figure = run.Data.Figure(metric, tier, step)
            where figure is not null
            select (run.Seed, figure.Value, (string?)$"{Uri.EscapeDataString(run.Data.Name)}/report.html#{TranscriptGroup.Anchor(step, tier, metric)}"),
        ];

    /// <summary>True where something was evaluated before an update and after one.</summary>
    public bool HasCourse => Runs.Any(r => r.Data.Steps.Length > 1);

    /// <summary>Over seeds the mean with its t interval, n seeds; of one seed its own figure. Null where no seed has it.</summary>
    public Estimate? Mean(string metric, Tier? tier, bool after) => Mean([.. Seeds(metric, tier, after).Select(s => s.Of)], tier is null ? -1 : 0);

    /// <param name="least">The smallest value that there can be; the largest is 1.</param>
    internal static Estimate? Mean(IReadOnlyList<Estimate> seeds, double least)
    {
        if (seeds.Count < 2)
            return seeds.Count == 0 ? null : seeds[0];
        var mean = SeedMean.Of([.. seeds.Select(s => s.Value)]);
        var interval = mean.TInterval().Clip(least, 1);
        return new(mean.Mean, interval.Low, interval.High, seeds.Count, seeds.Count);
    }
}

/// <summary>One run of a comparison.</summary>
/// <param name="Variant">What it is a run of: a cell of a design, a model of a sweep. Runs of one variant differ by their seed alone.</param>
/// <param name="Seed">Null where it has none of its own.</param>
/// <param name="Folder">The run's folder.</param>
/// <param name="Detector">Whose labels to draw; null: as in the run's own report.</param>
public sealed record VariantRun(string Variant, int? Seed, string Folder, string? Detector = null);
