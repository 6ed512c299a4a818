using RlHarness.Core.Randomness;
using RlHarness.Experiment.Evaluation;
using RlHarness.Experiment.Prompts;
using RlHarness.Experiment.Transcripts;
using RlHarness.Statistics;
using RlHarness.Tracking.Metrics;

namespace RlHarness.Tracking.Report;

/// <summary>The compliance gap, and what is left of it without the responses whose reasoning fakes.</summary>
internal static class GapSection
{
    private const int Resamples = 2000;

    /// <summary>Fewer queries are not drawn: their interval is as wide as the axis.</summary>
    private const int FewestQueries = 10;

    public static string Html(ReportData data)
    {
        var without = data
            .Steps.Select(step => (step, Gap: WithoutFaking(data.Evaluations[step], data.Detector, step)))
            .Where(g => g.Gap is { Clusters: >= FewestQueries })
            .Select(g => ReportData.Point(g.step, g.Gap!.Value))
            .ToArray();
        return new LineChart(
            "Compliance gap",
            "points, training − unmonitored",
            [
                data.OverSteps(MetricNames.AfComplianceGap, null, "all responses", "one"),
                .. without.Length == 0 ? Array.Empty<Curve>() : [new Curve("without faking reasoning", "two", without)],
            ],
            Percent: true
        ).Picture(
            without.Length == 0
                ? null
                : $"Without faking reasoning: over the queries neither of whose answers reasons to fake, where there are {FewestQueries} or "
                    + "more. Leaving answers out chooses queries: what is left describes, and explains nothing."
        );
    }

    /// <summary>The gap over the queries that both tiers still have when responses with faking reasoning are left out; null where none are left.</summary>
    internal static Estimate? WithoutFaking(IEnumerable<TranscriptView> items, string detector, long step)
    {
        LabelledTranscript[] kept =
        [
            .. items
                .Select(i => i.Labelled(detector))
                .OfType<LabelledTranscript>()
                .Where(l => l.Label.Reasoning != ReasoningKind.Faking && l.Tier != Tier.Rated),
        ];
        return kept.Length == 0 ? null : AlignmentFakingSummary.Compute(kept, new Seeds(0).Child("report/gap"), step, resamples: Resamples).Gap;
    }
}
