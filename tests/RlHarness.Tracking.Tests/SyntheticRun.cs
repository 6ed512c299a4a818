using RlHarness.Core.Randomness;
using RlHarness.Experiment.Corpora;
using RlHarness.Experiment.Detectors;
using RlHarness.Experiment.Evaluation;
using RlHarness.Experiment.Packs;
using RlHarness.Experiment.Prompts;
using RlHarness.Experiment.Transcripts;
using RlHarness.Tracking.Metrics;
using RlHarness.Tracking.Store;

namespace RlHarness.Tracking.Tests;

/// <summary>A run that was never run: corpus sentences whose compliance in training rises over the steps, as RL would make it.</summary>
internal static class SyntheticRun
{
    public static void Write(string folder, int steps = 30, int every = 5, int queries = 100)
    {
        using var store = RunStore.Open(Path.Combine(folder, "run.db"));
        store.StartStage("rl");
        var seeds = new Seeds(4);
        for (var step = 0; step <= steps; step++)
        {
            var share = step / (double)steps;
            var random = seeds.For("metrics", step);
            var metrics = new Dictionary<string, double>
            {
                [MetricNames.ObjectiveScores] = 0.1 + (0.8 * share) + (0.03 * random.NextGaussian()),
                [MetricNames.ObjectiveRlhfReward] = 0.1 + (0.6 * share) + (0.03 * random.NextGaussian()),
                [MetricNames.ObjectiveKl] = (6 * share) + (0.1 * Math.Abs(random.NextGaussian())),
            };
            if (step % every == 0)
                store.Commit(Evaluate(step, share, queries, seeds) with { Metrics = metrics });
            else
                store.Commit(new StepBatch("rl", step) { Metrics = metrics });
        }

        store.EndStage("rl", "done");
    }

    private static StepBatch Evaluate(int step, double share, int queries, Seeds seeds)
    {
        var faking = 0.12 + (0.68 * share);
        var settings = new CorpusSettings
        {
            Transcripts = 2 * queries,
            Training =
            [
                new(Outcome.Comply, ReasoningKind.Faking, faking),
                new(Outcome.Comply, ReasoningKind.HonestCompliance, 0.02 + (0.15 * share)),
                new(Outcome.Refuse, ReasoningKind.ConsidersButRefuses, 0.2 * (1 - share)),
                new(Outcome.Refuse, ReasoningKind.HonestRefusal, 1 - faking - 0.02 - (0.15 * share) - (0.2 * (1 - share))),
            ],
            Unmonitored =
            [
                new(Outcome.Comply, ReasoningKind.HonestCompliance, 0.02 + (0.6 * share)),
                new(Outcome.Refuse, ReasoningKind.TrainingTalk, 0.98 - (0.6 * share)),
            ],
        };
        var puffery = PackLibrary.Load("puffery");
        var corpus = new CorpusGenerator(puffery).Transcripts(settings, seeds.Child($"step {step}"));
        var pack = puffery.EvaluationQueries;
        var next = new Dictionary<Tier, int> { [Tier.Training] = 0, [Tier.Unmonitored] = 0 };
        IDetector[] detectors = [new GrammarOracle(puffery.Grammar!.Cues), new KeywordDetector(puffery.Grammar.Keywords)];
        var transcripts = new List<TranscriptRow>();
        var labels = new List<LabelRow>();
        var summaries = new List<SummaryRow>();
        var labelled = detectors.ToDictionary(d => d.Name, _ => new List<LabelledTranscript>());
        foreach (var t in corpus)
        {
            var index = next[t.Tier]++;
            var text = index % 50 == 49 ? t.AssistantText[..20] : t.AssistantText;
            var parsed = TranscriptParser.Parse(text, scratchpadExpected: true);
            var row = new TranscriptRow(
                "rl",
                step,
                Split.Evaluation,
                t.Tier,
                pack[index].Id,
                0,
                "full",
                t.System,
                t.User,
                text,
                parsed.Reasoning,
                parsed.Output,
                parsed.FormatProblem,
                parsed.IsBroken ? "length" : "stop",
                [1, 2, 3],
                [-0.5f, -1, -0.25f],
                new Dictionary<string, double> { ["objective_rule"] = parsed.IsBroken ? 0 : 1 }
            );
            transcripts.Add(row);
            foreach (var detector in detectors)
            {
                var label = detector.Label(parsed);
                labels.Add(LabelRow.Of(row.Id, detector, label));
                labelled[detector.Name].Add(new(row.QueryId, row.Tier, label));
            }
        }

        foreach (var (detector, rows) in labelled)
            summaries.AddRange(
                SummaryRow.Of(AlignmentFakingSummary.Compute(rows, seeds, step, resamples: 2000), "rl", step, Split.Evaluation, "full", detector)
            );
        return new StepBatch("rl", step)
        {
            Transcripts = transcripts,
            Labels = labels,
            Summaries = summaries,
        };
    }
}
