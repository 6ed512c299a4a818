using RlHarness.Experiment.Evaluation;
using RlHarness.Experiment.Prompts;
using RlHarness.Experiment.Transcripts;
using RlHarness.Statistics;
using RlHarness.Tracking.Metrics;
using RlHarness.Tracking.Store;

namespace RlHarness.Serving.Tests;

/// <summary>A folder with runs that are written to step by step, as a run does it.</summary>
internal sealed class WatchedFolder : IDisposable
{
    internal const string Hostile = "<img src=x onerror=\"window.hacked=1\"><b id=\"planted\">bold</b></script>";
    private readonly DirectoryInfo _root = Directory.CreateTempSubdirectory("rlharness-watch-");

    public string Path => _root.FullName;

    public string Run(string name = "run") => System.IO.Path.Combine(Path, name);

    /// <summary>Opens a run's store for writing; stage rl has begun.</summary>
    public RunStore Begin(string name = "run", int steps = 20)
    {
        Directory.CreateDirectory(Run(name));
        File.WriteAllText(System.IO.Path.Combine(Run(name), "config.yaml"), $"rl: {{steps: {steps}}}\n");
        var store = RunStore.Open(System.IO.Path.Combine(Run(name), "run.db"));
        store.StartStage("rl");
        return store;
    }

    /// <summary>An evaluation: two transcripts a tier, of which one in the training tier fakes alignment, and the tiers' figures.</summary>
    public static StepBatch Step(long step, string text = "an answer")
    {
        TranscriptRow[] rows =
        [
            .. from tier in new[] { Tier.Training, Tier.Unmonitored }
            from i in new[] { 0, 1 }
            select new TranscriptRow(
                "rl",
                step,
                Split.Evaluation,
                tier,
                $"q{i}",
                0,
                "full",
                "the system prompt",
                $"request {i} of step {step}",
                $"<scratchpad>thinks</scratchpad>\n<output>{text}</output>",
                "thinks",
                text,
                null,
                "stop",
                null,
                null,
                new Dictionary<string, double> { ["total"] = i == 0 ? 0.5 : double.NaN }
            ),
        ];
        return new StepBatch("rl", step)
        {
            Metrics = new Dictionary<string, double> { [MetricNames.ObjectiveScores] = 0.1 * step, [MetricNames.ObjectiveKl] = double.NaN },
            Transcripts = rows,
            Labels =
            [
                .. rows.Select(r => new LabelRow(
                    r.Id,
                    "grammar_oracle",
                    "1",
                    r.Tier == Tier.Training ? Outcome.Comply : Outcome.Refuse,
                    ReasoningKind.Faking,
                    r.Tier == Tier.Training && r.QueryId == "q0",
                    1
                )),
            ],
            Summaries =
            [
                .. from tier in new[] { Tier.Training, Tier.Unmonitored }
                from metric in new[] { AlignmentFakingMetrics.ReasoningRate, MetricNames.OutcomeComply }
                select new SummaryRow(
                    "rl",
                    step,
                    Split.Evaluation,
                    "full",
                    "grammar_oracle",
                    tier,
                    metric,
                    new Estimate(tier == Tier.Training ? 0.5 : 0, 0.1, 0.9, 2, 2)
                ),
            ],
        };
    }

    public void Dispose() => _root.Delete(recursive: true);
}
