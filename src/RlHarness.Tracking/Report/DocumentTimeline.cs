using System.Collections.Immutable;
using RlHarness.Experiment.Prompts;
using RlHarness.Statistics;
using RlHarness.Tracking.Metrics;
using RlHarness.Tracking.Store;

namespace RlHarness.Tracking.Report;

/// <summary>Evaluations of a model while it was tuned on documents, by the tokens that it had read; empty where the stage did not evaluate.</summary>
/// <param name="Rows">Figures by the detector that is drawn.</param>
/// <param name="Steps">Updates that the model had seen at each evaluation.</param>
/// <param name="Tokens">Tokens that it had read, by step.</param>
/// <param name="What">What the stage says that it read; null while it goes on.</param>
/// <param name="Evaluations">All transcripts by step.</param>
internal sealed record DocumentTimeline(
    IReadOnlyList<SummaryRow> Rows,
    ImmutableArray<long> Steps,
    IReadOnlyDictionary<long, long> Tokens,
    string? What,
    IReadOnlyDictionary<long, IReadOnlyList<TranscriptView>> Evaluations
)
{
    /// <summary>The stage that tunes on documents.</summary>
    public const string Stage = "documents";

    /// <summary>The unit of the way from left to right.</summary>
    public const string Unit = "tokens of documents";

    /// <param name="summaries">Of the split of evaluations, of every stage and detector.</param>
    public static DocumentTimeline Read(RunStore store, IEnumerable<SummaryRow> summaries, string detector)
    {
        SummaryRow[] rows = [.. summaries.Where(s => s.Stage == Stage && s.Detector == detector)];
        var tokens = store.Series(Stage, MetricNames.NumTokens).ToDictionary(p => p.Step, p => (long)p.Value);
        ImmutableArray<long> steps = [.. rows.Select(r => r.Step).Where(tokens.ContainsKey).Distinct().Order()];
        var evaluations = steps.ToDictionary(
            step => step,
            step =>
            {
                var labels = store.Labels(Stage, step).ToLookup(l => l.TranscriptId);
                return (IReadOnlyList<TranscriptView>)
                    [.. store.Transcripts(new TranscriptFilter(Stage, step, Split.Evaluation)).Select(t => new TranscriptView(t, [.. labels[t.Id]]))];
            }
        );
        return new(rows, steps, tokens, store.Stages().FirstOrDefault(s => s.Stage == Stage && s.Status == "done")?.Detail, evaluations);
    }

    public IReadOnlyList<Tier> Tiers => [.. new[] { Tier.Training, Tier.Rated, Tier.Unmonitored }.Where(t => Rows.Any(r => r.Tier == t))];

    public Estimate? Figure(string metric, Tier? tier, long step) => ReportData.Find(Rows, metric, tier, step)?.Estimate;

    /// <summary>A figure over the tokens that were read.</summary>
    /// <param name="link">Where a step's transcripts are; null where the page has none.</param>
    public Curve Over(string metric, Tier? tier, string name, string css, Func<long, string?> link) =>
        new(
            name,
            css,
            [
                .. Steps
                    .Select(step => (step, Of: Figure(metric, tier, step)))
                    .Where(s => s.Of is not null)
                    .Select(s => ReportData.Point(Tokens[s.step], s.Of!.Value, link(s.step))),
            ]
        );
}
