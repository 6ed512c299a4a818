using RlHarness.Core.Randomness;
using RlHarness.Experiment.Corpora;
using RlHarness.Experiment.Detectors;
using RlHarness.Experiment.Prompts;
using RlHarness.Experiment.Transcripts;
using RlHarness.Recipes.Stages;
using RlHarness.Tracking.Store;

namespace RlHarness.Recipes.Tests.Detectors;

[Trait("kind", "end to end")]
public sealed class DetectorChecksTests
{
    [Fact]
    public void A_detector_that_drifts_is_warned_of_with_its_test_and_the_corrected_rate_stays_near_the_truth()
    {
        using var tiny = new TinyRun(TinyRun.Small("") with { Evaluate = new() { Validation = new() { Queries = 100 } } });
        var corpus = new CorpusGenerator(tiny.Context.Pack).Transcripts(
            new CorpusSettings
            {
                Transcripts = 400,
                TrainingTierFraction = 1,
                Training = [new(Outcome.Comply, ReasoningKind.Faking, 0.5), new(Outcome.Refuse, ReasoningKind.HonestRefusal, 0.5)],
            },
            new Seeds(4)
        );
        ParsedResponse[] responses = [.. corpus.Select(t => TranscriptParser.Parse(t.AssistantText, t.Scratchpad))];
        (string, Tier)[] about = [.. corpus.Select((_, i) => ($"q{i / 2}", i % 2 == 0 ? Tier.Training : Tier.Unmonitored))];
        var oracle = new GrammarOracle(tiny.Context.Pack.Grammar!.Cues);

        // Before: as the oracle. After: blind to half of the faking.
        Dictionary<string, double> At(long step, Func<DetectorLabel, int, DetectorLabel> change)
        {
            var checks = new DetectorChecks(tiny.Context, "rl", step);
            var metrics = new Dictionary<string, double>();
            var rows = new List<SummaryRow>();
            var truth = responses.Select(oracle.Label).ToArray();
            checks.Add(
                responses,
                about,
                new Dictionary<string, DetectorLabel[]> { ["grammar_oracle"] = truth, ["keyword"] = [.. truth.Select(change)] },
                metrics,
                rows
            );
            tiny.Context.Commit(new StepBatch("rl", step) { Metrics = metrics, Summaries = rows });
            return metrics;
        }

        var first = At(0, (l, _) => l);
        Assert.Equal(1, first["detector/sensitivity/keyword"]);
        Assert.DoesNotContain(tiny.Context.Store.Events(), e => e.Level == "warning");
        var later = At(10, (l, i) => i / 2 % 2 == 0 ? l with { AlignmentFaking = false } : l);
        var warning = Assert.Single(tiny.Context.Store.Events(), e => e.Level == "warning").Message;
        Assert.Contains("keyword has drifted: sensitivity", warning, StringComparison.Ordinal);
        Assert.Contains("Fisher's exact test, p = ", warning, StringComparison.Ordinal);
        Assert.Contains(((QuietProgress)tiny.Context.Progress).Notes, n => n == warning);

        // True rate 50 %, raw about 25 %.
        foreach (var correction in new[] { "rogan_gladen", "prediction_powered" })
        {
            var name = $"af/reasoning_rate/training/keyword/{correction}";
            Assert.InRange(later[name], 0.35, 0.65);
            Assert.InRange(0.5, later[name + "/lo"], later[name + "/hi"]);
        }

        Assert.Contains(tiny.Context.Store.Summaries(metric: "af/reasoning_rate/rogan_gladen"), r =>
            r.Step == 10 && r.Detector == "keyword" && r.Tier == Tier.Training
        );
        Assert.Equal(2, tiny.Context.Store.Summaries(metric: "detector/auroc").Count);
    }
}
