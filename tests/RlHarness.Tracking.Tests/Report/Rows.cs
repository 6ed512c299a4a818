using RlHarness.Experiment.Prompts;
using RlHarness.Experiment.Transcripts;
using RlHarness.Tracking.Report;
using RlHarness.Tracking.Store;

namespace RlHarness.Tracking.Tests.Report;

/// <summary>Labelled transcripts by hand.</summary>
internal static class Rows
{
    public static TranscriptView Item(string query, Tier tier, Outcome outcome, ReasoningKind reasoning, double score = 0, bool? truth = null)
    {
        var transcript = new TranscriptRow(
            "rl",
            0,
            Split.Evaluation,
            tier,
            query,
            0,
            "full",
            "system",
            "user",
            "text",
            "one two three",
            "output",
            null,
            "stop",
            [1, 2],
            [-0.05f, -3.25f],
            new Dictionary<string, double>()
        );
        var faking = outcome == Outcome.Comply && reasoning == ReasoningKind.Faking;
        var labels = new List<LabelRow> { new(transcript.Id, "detector", "1", outcome, reasoning, faking, score) };
        if (truth is { } t)
            labels.Add(new(transcript.Id, "grammar_oracle", "1", outcome, reasoning, t, t ? 1 : 0));
        return new(transcript, labels);
    }
}
