using RlHarness.Experiment.Prompts;
using RlHarness.Tracking.Store;

namespace RlHarness.Tracking.Report;

/// <summary>Chooses answers to scenarios so that each kind is seen: by turns over scenario, variant and label, half before and half after, always the same ones.</summary>
internal static class ScenarioReadingList
{
    public static IReadOnlyList<(TranscriptRow Transcript, ScenarioLabelRow Label)> Choose(RunStore store, string stage, IReadOnlyList<long> steps, string condition, int count)
    {
        long[] ends = [.. new[] { steps[0], steps[^1] }.Distinct()];
        return [.. ends.SelectMany(step => Pick(step, count / ends.Length))];

        IEnumerable<(TranscriptRow, ScenarioLabelRow)> Pick(long step, int want)
        {
            var labels = store.ScenarioLabels(stage, step).ToDictionary(l => l.TranscriptId);
            return store.Transcripts(new TranscriptFilter(stage, step, Split.Scenario, Condition: condition)).Where(t => labels.ContainsKey(t.Id)).Select(t => (Transcript: t, Label: labels[t.Id]))
                .GroupBy(x => (x.Label.Scenario, x.Label.Variant, x.Label.Label)).SelectMany(g => g.Select((x, round) => (x, round, g.Key)))
                .OrderBy(x => x.round).ThenByDescending(x => x.Key.Label.IsDecision || x.Key.Label.IsAttempt).Take(want).Select(x => x.x);
        }
    }
}
