using Microsoft.Data.Sqlite;
using RlHarness.Core.Errors;
using RlHarness.Experiment.Detectors;
using RlHarness.Experiment.Packs;
using RlHarness.Experiment.Prompts;
using RlHarness.Experiment.Scenarios;
using RlHarness.Experiment.Transcripts;
using RlHarness.Statistics;
using RlHarness.Tracking.Store;

namespace RlHarness.Tracking.Tests.Store;

[Trait("kind", "contract")]
public sealed class RunStoreTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    private string Db => _folder["run.db"];

    public void Dispose() => _folder.Dispose();

    private static TranscriptRow Transcript(long step, int sample = 0, Tier tier = Tier.Training, string stage = "rl") =>
        new(
            stage,
            step,
            Split.Evaluation,
            tier,
            "q1",
            sample,
            "full",
            "sys",
            "ask",
            "<output>x</output>",
            null,
            "x",
            null,
            "stop",
            [5, 6],
            [-0.125f, float.NegativeInfinity],
            new Dictionary<string, double> { ["objective_rule"] = 1, ["odd"] = double.NaN }
        );

    private static StepBatch Step(long step, string stage = "rl")
    {
        var row = Transcript(step, stage: stage);
        return new StepBatch(stage, step)
        {
            Metrics = new Dictionary<string, double>
            {
                ["objective/kl"] = step / 10.0,
                ["odd"] = double.NaN,
                ["far"] = double.PositiveInfinity,
            },
            Transcripts = [row, Transcript(step, tier: Tier.Unmonitored, stage: stage)],
            Labels =
            [
                LabelRow.Of(
                    row.Id,
                    new GrammarOracle(PackLibrary.Load("puffery").Grammar!.Cues),
                    new DetectorLabel(Outcome.Comply, ReasoningKind.Faking, true, 1)
                ),
            ],
            Summaries =
            [
                new(stage, step, Split.Evaluation, "full", "grammar_oracle", Tier.Training, "af/reasoning_rate", new Estimate(0.1, 0.05, 0.2, 40, 20)),
                new(stage, step, Split.Evaluation, "full", "grammar_oracle", null, "af/compliance_gap", new Estimate(0.1, double.NaN, 0.2, 80, 20), 0.04),
            ],
        };
    }

    private static StepBatch Scenario(long step)
    {
        var row = Transcript(step) with { Split = Split.Scenario, QueryId = "p-s-leaving-00.easy" };
        return new StepBatch("rl", step)
        {
            Transcripts = [row],
            ScenarioLabels = [new(row.Id, "scenario_cues", "1-0", ScenarioGroup.AntiLab, "leaving", "easy", "p-s-leaving-00", new(null, "attempts"))],
        };
    }

    [Fact]
    public void Labels_of_scenarios_are_read_back_beside_the_others_and_go_with_their_transcripts()
    {
        using var store = RunStore.Open(Db);
        store.Commit(Step(3));
        store.Commit(Scenario(3));
        store.Commit(Scenario(7));
        Assert.Equal(Scenario(3).ScenarioLabels, store.ScenarioLabels("rl", 3));
        Assert.StartsWith("rl/3/scenario/training/", store.ScenarioLabels("rl", 3)[0].TranscriptId, StringComparison.Ordinal);
        Assert.Single(store.Labels("rl", 3));
        store.DeleteAfter("rl", 3);
        Assert.Empty(store.ScenarioLabels("rl", 7));
    }

    [Fact]
    public void A_store_from_before_there_were_scenarios_is_read_and_written_on()
    {
        using (var store = RunStore.Open(Db))
            store.Commit(Step(3));
        using (var old = new SqliteConnection($"Data Source={Db};Pooling=False"))
        {
            old.Open();
            using var drop = old.CreateCommand();
            drop.CommandText = "DROP TABLE scenario_labels";
            drop.ExecuteNonQuery();
        }

        using (var reader = RunStore.OpenReadOnly(Db))
        {
            Assert.Empty(reader.ScenarioLabels("rl", 3));
            Assert.Single(reader.Labels("rl", 3));
        }

        using var again = RunStore.Open(Db);
        again.Commit(Scenario(4));
        Assert.Single(again.ScenarioLabels("rl", 4));
    }

    [Fact]
    public void What_is_committed_is_read_back_by_another_reader_while_the_writer_is_open()
    {
        using var store = RunStore.Open(Db);
        store.Commit(Step(3));
        using var reader = RunStore.OpenReadOnly(Db);
        var read = reader.Transcripts(new TranscriptFilter(Tier: Tier.Training)).Single();
        var wrote = Transcript(3);
        Assert.Equal(wrote with { TokenIds = null, TokenLogprobs = null, Rewards = read.Rewards }, read with { TokenIds = null, TokenLogprobs = null });
        Assert.Equal(wrote.TokenIds, read.TokenIds);
        Assert.Equal(wrote.TokenLogprobs, read.TokenLogprobs);
        Assert.Equal(1, read.Rewards["objective_rule"]);
        Assert.True(double.IsNaN(read.Rewards["odd"]));
        Assert.Equal("rl/3/evaluation/training/full/q1/0", read.Id);
        var label = reader.Labels("rl", 3).Single();
        Assert.Equal(
            (read.Id, "grammar_oracle", Outcome.Comply, ReasoningKind.Faking, true, 1.0),
            (label.TranscriptId, label.Detector, label.Outcome, label.Reasoning, label.AlignmentFaking, label.Score)
        );
        Assert.Empty(reader.Labels("rl", 3, "keyword"));
        Assert.Equal([(3L, 0.3)], reader.Series("rl", "objective/kl"));
        Assert.True(double.IsNaN(reader.Series("rl", "odd")[0].Value));
        Assert.Equal(double.PositiveInfinity, reader.Series("rl", "far")[0].Value);
        Assert.Equal(["far", "objective/kl", "odd"], reader.MetricNames("rl"));
        Assert.Equal(3, reader.Metrics("rl", 3).Count);
        Assert.Equal(("rl", 3L, 2), reader.TranscriptCounts().Single());
        var gap = reader.Summaries(metric: "af/compliance_gap").Single();
        Assert.Null(gap.Tier);
        Assert.Equal(0.04, gap.P);
        Assert.True(double.IsNaN(gap.Estimate.Low));
        Assert.Equal(new Estimate(0.1, 0.05, 0.2, 40, 20), reader.Summaries("rl", "grammar_oracle", "af/reasoning_rate").Single().Estimate);
    }

    [Fact]
    public void A_resume_removes_what_came_after_its_step_in_its_stage_only()
    {
        using var store = RunStore.Open(Db);
        for (var step = 0; step < 5; step++)
            store.Commit(Step(step));
        store.Commit(Step(9, "imitate"));
        store.DeleteAfter("rl", 2);
        Assert.Equal(2, store.LastStep("rl"));
        Assert.Equal(9, store.LastStep("imitate"));
        Assert.Null(store.LastStep("reward"));
        Assert.Equal([("imitate", 9L), ("rl", 0L), ("rl", 1L), ("rl", 2L)], store.TranscriptCounts().Select(c => (c.Stage, c.Step)));
        Assert.Empty(store.Labels("rl", 3));
        Assert.Equal(2, store.Summaries("rl").Max(s => s.Step));
        Assert.Equal(0, CountLabelsWithoutTranscript());
    }

    [Fact]
    public void An_evaluation_in_one_condition_leaves_those_in_others()
    {
        using var store = RunStore.Open(Db);
        foreach (var condition in new[] { "full", "no-scratchpad" })
            store.Commit(
                new StepBatch("evaluate", 5)
                {
                    Transcripts = [.. Step(5, "evaluate").Transcripts.Select(t => t with { Condition = condition })],
                    Summaries = [.. Step(5, "evaluate").Summaries.Select(s => s with { Condition = condition })],
                }
            );
        store.DeleteAfter("evaluate", 4, "full");
        Assert.Equal(["no-scratchpad"], store.Transcripts().Select(t => t.Condition).Distinct());
        Assert.Equal(["no-scratchpad"], store.Summaries().Select(s => s.Condition).Distinct());
    }

    [Fact]
    public void A_step_that_is_written_again_replaces_itself()
    {
        using var store = RunStore.Open(Db);
        store.Commit(Step(1));
        store.Commit(Step(1));
        Assert.Equal(2, store.Transcripts().Count);
        Assert.Single(store.Labels("rl", 1));
        Assert.Single(store.Series("rl", "objective/kl"));
    }

    [Fact]
    public void A_step_is_written_whole_or_not_at_all()
    {
        using var store = RunStore.Open(Db);
        var orphan = new LabelRow("no such transcript", "d", "1", Outcome.Comply, ReasoningKind.None, false, 0);
        Assert.ThrowsAny<SqliteException>(() => store.Commit(Step(1) with { Labels = [orphan] }));
        Assert.Empty(store.Transcripts());
        Assert.Null(store.LastStep("rl"));
        store.Commit(Step(1));
        Assert.Equal(2, store.Transcripts().Count);
    }

    [Fact]
    public void Commits_wait_for_the_disk()
    {
        using var store = RunStore.Open(Db);
        Assert.Equal("wal", store.Scalar("PRAGMA journal_mode"));
        Assert.Equal(2L, store.Scalar("PRAGMA synchronous")); // 2 is FULL
    }

    [Fact]
    public void Stages_and_events_tell_the_history()
    {
        using (var store = RunStore.Open(Db))
        {
            store.StartStage("imitate", "abc");
            store.EndStage("imitate", "done", "loss 0.3");
            store.StartStage("rl");
            store.AddEvent("rl", 4, "warning", "resumed");
            store.AddLabels([]);
            store.AddSummaries([]);
        }

        using var again = RunStore.Open(Db);
        Assert.Equal([("imitate", "done", "abc"), ("rl", "running", null)], again.Stages().Select(s => (s.Stage, s.Status, s.Fingerprint)));
        Assert.NotNull(again.Stages()[0].Ended);
        Assert.Equal((1L, "rl", 4L, "warning", "resumed"), again.Events().Select(e => (e.Id, e.Stage, e.Step, e.Level, e.Message)).Single());
        again.StartStage("rl", "new");
        Assert.Equal("running", again.Stages()[1].Status);
    }

    [Fact]
    public void Filters_select_by_id_and_limit()
    {
        using var store = RunStore.Open(Db);
        store.Commit(Step(1));
        Assert.Single(store.Transcripts(new TranscriptFilter(Limit: 1)));
        Assert.Equal(Tier.Unmonitored, store.Transcripts(new TranscriptFilter(Id: Transcript(1, tier: Tier.Unmonitored).Id)).Single().Tier);
        Assert.Empty(store.Transcripts(new TranscriptFilter("rl", 1, Split.Train)));
    }

    [Fact]
    public void A_file_that_is_no_store_is_named_in_the_error()
    {
        File.WriteAllText(Db, new string('x', 5000));
        var error = Assert.Throws<HarnessException>(() => RunStore.Open(Db));
        Assert.Equal(ErrorKind.BadFile, error.Kind);
        Assert.Contains("run.db", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_missing_store_is_not_created_by_a_reader()
    {
        Assert.Equal(ErrorKind.BadFile, Assert.Throws<HarnessException>(() => RunStore.OpenReadOnly(Db)).Kind);
        Assert.False(File.Exists(Db));
    }

    [Theory]
    [InlineData("UPDATE meta SET value = '99'", "99")]
    [InlineData("DROP TABLE meta", "none")]
    public void A_store_of_another_version_is_refused(string change, string found)
    {
        RunStore.Open(Db).Dispose();
        using (var other = new SqliteConnection($"Data Source={Db};Pooling=False"))
        {
            other.Open();
            using var command = other.CreateCommand();
            command.CommandText = change;
            command.ExecuteNonQuery();
        }

        Assert.Contains(found, Assert.Throws<HarnessException>(() => RunStore.Open(Db)).Message, StringComparison.Ordinal);
    }

    private long CountLabelsWithoutTranscript()
    {
        using var other = new SqliteConnection($"Data Source={Db};Pooling=False");
        other.Open();
        using var command = other.CreateCommand();
        command.CommandText = "SELECT COUNT(*) FROM labels WHERE transcript_id NOT IN (SELECT id FROM transcripts)";
        return (long)command.ExecuteScalar()!;
    }
}
