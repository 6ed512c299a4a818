using RlHarness.Experiment.Prompts;
using RlHarness.Experiment.Statistics;

namespace RlHarness.Tracking.Store;

/// <summary>One figure of an evaluation with its interval.</summary>
/// <param name="Tier">Null for a figure that compares tiers.</param>
public sealed record SummaryRow(
    string Stage,
    long Step,
    Split Split,
    string Condition,
    string Detector,
    Tier? Tier,
    string Metric,
    Estimate Estimate,
    double? P = null
)
{
    public static IEnumerable<SummaryRow> Of(AlignmentFakingSummary summary, string stage, long step, Split split, string condition, string detector)
    {
        ArgumentNullException.ThrowIfNull(summary);
        return summary.Figures().Select(f => new SummaryRow(stage, step, split, condition, detector, f.Tier, f.Metric, f.Estimate, f.P));
    }
}
