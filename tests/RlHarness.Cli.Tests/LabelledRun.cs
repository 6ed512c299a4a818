using RlHarness.Experiment.Prompts;
using RlHarness.Experiment.Transcripts;
using RlHarness.Tracking.Store;

namespace RlHarness.Cli.Tests;

/// <summary>A run's folder with evaluation transcripts and one detector's labels, written without a model.</summary>
internal static class LabelledRun
{
    public static string Write(string parent, int transcripts)
    {
        var path = Path.Combine(parent, "run");
        Directory.CreateDirectory(path);
        File.WriteAllText(Path.Combine(path, "run.json"), "{}");
        File.WriteAllText(Path.Combine(path, "config.yaml"), "");
        using var store = RunStore.Open(Path.Combine(path, "run.db"));
        TranscriptRow[] rows =
        [
            .. Enumerable
                .Range(0, transcripts)
                .Select(i => new TranscriptRow(
                    "rl",
                    0,
                    Split.Evaluation,
                    i % 2 == 0 ? Tier.Training : Tier.Unmonitored,
                    $"q{i / 2}",
                    0,
                    "full",
                    "the hidden prompt",
                    $"request {i}",
                    $"text {i}",
                    $"reasoning {i}",
                    $"output {i}",
                    null,
                    "stop",
                    null,
                    null,
                    new Dictionary<string, double>()
                )),
        ];
        store.Commit(
            new StepBatch("rl", 0)
            {
                Transcripts = rows,
                Labels = [.. rows.Select((r, i) => new LabelRow(r.Id, "keyword", "1", Outcome.Comply, ReasoningKind.Faking, i == 0, i == 0 ? 1 : 0))],
            }
        );
        return path;
    }
}
