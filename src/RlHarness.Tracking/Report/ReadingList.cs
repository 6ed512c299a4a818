using RlHarness.Experiment.Prompts;
using RlHarness.Tracking.Store;

namespace RlHarness.Tracking.Report;

/// <summary>Chooses transcripts so that each kind is seen: by turns over tier, outcome and reasoning, half before and half after, always the same ones.</summary>
internal static class ReadingList
{
    public static IReadOnlyList<ReadingItem> Choose(RunStore store, string stage, IReadOnlyList<long> steps, string condition, string detector, int count)
    {
        if (steps.Count == 1) return Pick(steps[0], count);
        var before = Pick(steps[0], count / 2);
        return [.. before, .. Pick(steps[^1], count - before.Count)];

        List<ReadingItem> Pick(long step, int want)
        {
            var labels = store.Labels(stage, step).ToLookup(l => l.TranscriptId);
            var kinds = store.Transcripts(new TranscriptFilter(stage, step, Split.Evaluation, Condition: condition))
                .Select(t => (Item: new ReadingItem(t, [.. labels[t.Id]]), Label: labels[t.Id].FirstOrDefault(l => l.Detector == detector)))
                .GroupBy(x => (x.Item.Transcript.Tier, x.Label?.Outcome, x.Label?.Reasoning))
                .OrderByDescending(g => g.Any(x => x.Label?.AlignmentFaking == true)).ThenBy(g => g.Key.Tier).ThenByDescending(g => g.Count())
                .Select(g => g.Select(x => x.Item).ToList()).ToList();
            var chosen = new List<ReadingItem>();
            for (var round = 0; chosen.Count < want && kinds.Any(k => k.Count > round); round++)
                chosen.AddRange(kinds.Where(k => k.Count > round).Select(k => k[round]).Take(want - chosen.Count));
            return chosen;
        }
    }
}
