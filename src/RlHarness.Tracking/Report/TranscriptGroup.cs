using RlHarness.Experiment.Prompts;

namespace RlHarness.Tracking.Report;

/// <summary>The transcripts behind one number of a report.</summary>
/// <param name="Tier">Null for a figure that compares tiers.</param>
/// <param name="Count">How many there are.</param>
/// <param name="Of">Of how many.</param>
/// <param name="Shown">Those of them that the page holds.</param>
internal sealed record TranscriptGroup(long Step, Tier? Tier, string Metric, int Count, int Of, IReadOnlyList<ReadingItem> Shown)
{
    /// <summary>Number of the detector that says so among the run's; null for the one that is drawn.</summary>
    public int? Detector { get; init; }

    /// <summary>The stage whose steps they are; null for the one that is drawn.</summary>
    public string? Stage { get; init; }

    /// <summary>Its place in the page.</summary>
    public string Id => Anchor(Step, Tier, Metric, Detector, Stage);

    /// <summary>The same in every report, so that the page of a design can point into its runs' pages.</summary>
    public static string Anchor(long step, Tier? tier, string metric, int? detector = null, string? stage = null) =>
        $"t-{(stage is null ? "" : stage + "-")}{step}-{(tier is { } t ? MetricWords.Of(t) : "both")}-{string.Concat(metric.Select(c => char.IsAsciiLetterOrDigit(c) || c is '_' ? c : '-'))}{(detector is { } d ? $"-by-{d}" : "")}";
}
