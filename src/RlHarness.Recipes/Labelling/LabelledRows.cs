using RlHarness.Core.Errors;
using RlHarness.Experiment.Detectors;
using RlHarness.Experiment.Transcripts;
using RlHarness.Tracking.Store;

namespace RlHarness.Recipes.Labelling;

/// <summary>Labelled transcripts of a run, as a classifier learns from them.</summary>
public static class LabelledRows
{
    /// <param name="source">A detector's name, or rater:NAME.</param>
    /// <exception cref="HarnessException">It has no labels in this run; the message lists who has.</exception>
    public static IReadOnlyList<LabelledResponse> Of(RunStore store, string source)
    {
        ArgumentNullException.ThrowIfNull(store);
        var steps = store.TranscriptCounts().Select(c => (c.Stage, c.Step)).ToArray();
        var all = steps.SelectMany(s => store.Labels(s.Stage, s.Step)).ToArray();
        var labels = all.Where(l => l.Detector == source).GroupBy(l => l.TranscriptId).ToDictionary(g => g.Key, g => g.Last());
        if (labels.Count == 0)
            throw new HarnessException(
                ErrorKind.BadInput,
                $"no labels by {source} in this run",
                string.Join(", ", all.Select(l => l.Detector).Distinct()),
                "one of those",
                "--labels NAME"
            );
        return
        [
            .. steps
                .SelectMany(s => store.Transcripts(new TranscriptFilter(s.Stage, s.Step)))
                .Where(t => labels.ContainsKey(t.Id))
                .Select(t => new LabelledResponse(
                    t.QueryId,
                    new ParsedResponse(t.Reasoning, t.Output, t.FormatProblem),
                    labels[t.Id].Outcome,
                    labels[t.Id].Reasoning
                )
                {
                    Told = labels[t.Id].ToLabel().FakesAlignment is not null,
                }),
        ];
    }
}
