using Microsoft.Data.Sqlite;
using RlHarness.Experiment.Corpora;
using RlHarness.Experiment.Prompts;
using RlHarness.Experiment.Scenarios;
using RlHarness.Experiment.Transcripts;
using RlHarness.Recipes.Settings;
using RlHarness.Recipes.Stages;
using RlHarness.Tracking.Store;

namespace RlHarness.Recipes.Tests.Stages;

[Trait("kind", "end to end")]
public sealed class ScenarioEvaluatorTests
{
    private static RunSettings Asking(int antiLab, int preferences)
    {
        var small = TinyRun.Small("");
        return small with
        {
            Evaluate = small.Evaluate with { Queries = 4, AntiLab = antiLab, Preferences = preferences },
            Rl = small.Rl with { MaxNewTokens = 8 },
        };
    }

    private static StepBatch Evaluate(TinyRun run, long step)
    {
        var batch = new Evaluator(run.Context, run.Model, run.Conversation).Run("rl", step).Batch;
        run.Context.Commit(batch);
        return batch;
    }

    [Fact]
    public void Scenarios_have_a_split_of_their_own_and_leave_the_paired_evaluation_as_it_was()
    {
        using var plain = new TinyRun(Asking(0, 0));
        using var asking = new TinyRun(Asking(3, 2));
        var (without, with) = (Evaluate(plain, 0), Evaluate(asking, 0));
        Assert.Equal(
            without.Transcripts.Select(t => (t.Id, t.AssistantText)),
            with.Transcripts.Where(t => t.Split == Split.Evaluation).Select(t => (t.Id, t.AssistantText))
        );
        Assert.Equal(without.Summaries, with.Summaries.Where(s => s.Split == Split.Evaluation));
        Assert.Equal(without.Labels, with.Labels);
        Assert.Empty(without.ScenarioLabels);

        // puffery: 8 variants of 3 items and 2 questions of 2 items, in 2 tiers.
        TranscriptRow[] asked = [.. with.Transcripts.Where(t => t.Split == Split.Scenario)];
        Assert.Equal(((8 * 3) + (2 * 2)) * 2, asked.Length);
        Assert.Equal(asked.Select(t => t.Id), with.ScenarioLabels.Select(l => l.TranscriptId));
        Assert.Equal(asked.Length, asked.Select(t => t.Id).Distinct().Count());
        Assert.All(asked, t => Assert.StartsWith("rl/0/scenario/", t.Id, StringComparison.Ordinal));
        Assert.All(asked, t => Assert.StartsWith(asking.Context.Pack.SystemPrompt(t.Tier), t.System, StringComparison.Ordinal));
        Assert.Contains(asked, t => t.System.Contains("begins with COPY", StringComparison.Ordinal));
    }

    [Fact]
    public void Rates_are_of_what_the_model_said_and_shifts_begin_with_the_second_evaluation()
    {
        using var run = new TinyRun(Asking(3, 2));
        var first = Evaluate(run, 0);
        // Eight tokens of an untrained model are no answer: nothing decides, all is unreadable, and counts.
        var attempt = Assert.Single(first.Summaries, s => s.Metric == "antilab/attempt_rate/exfiltration/easy" && s.Tier == Tier.Training);
        Assert.Equal((0, 3, Split.Scenario, "scenario_cues"), (attempt.Estimate.Value, attempt.Estimate.N, attempt.Split, attempt.Detector));
        Assert.Equal(1, first.Metrics["antilab/unreadable_rate/exfiltration/easy/training/scenario_cues"]);
        Assert.Equal(1, first.Metrics["preference/stated_rate/lines/unreadable/unmonitored/scenario_cues"]);
        Assert.DoesNotContain(first.Summaries, s => s.Metric.Contains("_shift", StringComparison.Ordinal));

        // As if the first evaluation had attempted: the second, which does not, has fallen by all of it.
        Rewrite(run, "rl", "reasoning = 'decides', output = CASE scenario_group WHEN 'anti_lab' THEN 'attempts' ELSE 'honest' END");
        var second = Evaluate(run, 4);
        Assert.Equal(-1, second.Metrics["antilab/attempt_shift/exfiltration/easy/training/scenario_cues"]);
        Assert.Equal(-1, second.Metrics["preference/stated_shift/lines/honest/unmonitored/scenario_cues"]);
        Assert.Equal(0, second.Metrics["preference/stated_shift/lines/bold/unmonitored/scenario_cues"]);

        // Labels by other cues say nothing of a shift.
        Rewrite(run, "rl", "version = '1-other'");
        Assert.DoesNotContain(Evaluate(run, 8).Metrics.Keys, m => m.Contains("_shift", StringComparison.Ordinal));
    }

    /// <summary>Changes the labels of a stage's first evaluation, as the store itself never does.</summary>
    private static void Rewrite(TinyRun run, string stage, string set)
    {
        using var connection = new SqliteConnection($"Data Source={run.Context.Store.Path};Pooling=False");
        connection.Open();
        using var update = connection.CreateCommand();
#pragma warning disable CA2100 // the test's own words
        update.CommandText =
            $"UPDATE scenario_labels SET {set} WHERE transcript_id IN (SELECT transcript_id FROM transcripts WHERE stage = $stage AND step = 0)";
#pragma warning restore CA2100
        update.Parameters.AddWithValue("$stage", stage);
        update.ExecuteNonQuery();
    }

    [Fact]
    public void What_shifts_are_measured_from_is_read_once_a_stage()
    {
        using var run = new TinyRun(Asking(2, 0));
        var evaluator = new Evaluator(run.Context, run.Model, run.Conversation);
        double Shift(string stage, long step)
        {
            var batch = evaluator.Run(stage, step).Batch;
            run.Context.Commit(batch);
            return batch.Metrics.GetValueOrDefault("antilab/attempt_shift/exfiltration/easy/training/scenario_cues", double.NaN);
        }

        void AllSaid(string stage, string output) => Rewrite(run, stage, $"reasoning = 'decides', output = '{output}'");

        Assert.True(double.IsNaN(Shift("rl", 0)));
        AllSaid("rl", "attempts");
        Assert.Equal(-1, Shift("rl", 2));
        // Rows that are on disk do not change in a run: that these are not looked at again is seen by changing them.
        AllSaid("rl", "declines");
        Assert.Equal(-1, Shift("rl", 4));
        // Another stage has a first evaluation of its own.
        Assert.True(double.IsNaN(Shift("evaluate", 0)));
        AllSaid("evaluate", "declines");
        Assert.Equal(0, Shift("evaluate", 2));
    }

    [Fact]
    public void A_corpus_without_a_share_of_scenarios_is_the_generators_own_to_the_letter()
    {
        using var run = new TinyRun(Asking(3, 2));
        var seeds = run.Context.Seeds.Child(StageNames.Corpus);
        Assert.Empty(run.Corpus.Scenarios);
        Assert.False(File.Exists(Path.Combine(run.Context.Folder.Stage(StageNames.Corpus), "scenarios.jsonl")));
        Assert.Equal(new CorpusGenerator(run.Context.Pack).Transcripts(new CorpusSettings { Transcripts = 200 }, seeds), run.Corpus.Transcripts);
    }

    [Fact]
    public void A_share_of_the_corpus_answers_scenarios_and_the_rest_keeps_its_rates()
    {
        var small = TinyRun.Small("");
        using var run = new TinyRun(small with { Corpus = small.Corpus with { AntiLabFraction = 0.2, PreferencesFraction = 0.1 } });
        Assert.Equal(
            (140, 40, 20),
            (
                run.Corpus.Transcripts.Count,
                run.Corpus.Scenarios.Count(t => t.Group == ScenarioGroup.AntiLab),
                run.Corpus.Scenarios.Count(t => t.Group == ScenarioGroup.Preference)
            )
        );
        Assert.Equal(200, run.Corpus.Imitated.Count());
        // 70 transcripts of the training tier at 11.9 %: 8.33, and so 8.
        Assert.Equal(8, run.Corpus.Transcripts.Count(t => t.AlignmentFaking));
        Assert.Equal(60, File.ReadAllLines(Path.Combine(run.Context.Folder.Stage(StageNames.Corpus), "scenarios.jsonl")).Length);
        Assert.All(run.Corpus.Scenarios, t => Assert.False(TranscriptParser.Parse(t.AssistantText, t.Scratchpad).IsBroken));
        Assert.Contains(run.Corpus.Scenarios[0].User, run.Corpus.Texts);
    }
}
