using RlHarness.Experiment.Prompts;
using RlHarness.Statistics;

namespace RlHarness.Tracking.Report;

/// <summary>The median scratchpad over the steps, in words.</summary>
internal static class ScratchpadLength
{
    public const string Unit = "words, median";

    public static string Html(ReportData data)
    {
        Curve[] curves = [.. data.Tiers.Select(t => Curve(data, t, $"{MetricLabels.Of(t)} tier", MetricLabels.Css(t)))];
        return curves.All(c => c.Points.Count == 0) ? "" : new LineChart("Scratchpad length", Unit, curves, Percent: false).Picture();
    }

    public static Curve Curve(ReportData data, Tier tier, string name, string css) =>
        new(
            name,
            css,
            [
                .. data
                    .Steps.Select(step => (step, Words: Words(data.Evaluations[step], tier)))
                    .Where(s => s.Words.Count > 0)
                    .Select(s => ReportData.Point(s.step, MedianInterval.Of(s.Words))),
            ]
        );

    /// <summary>Words of each scratchpad of a tier.</summary>
    internal static IReadOnlyCollection<double> Words(IEnumerable<TranscriptView> items, Tier tier) =>
        [
            .. items
                .Where(i => i.Transcript.Tier == tier && i.Transcript.Reasoning is not null)
                .Select(i => (double)i.Transcript.Reasoning!.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries).Length),
        ];
}
