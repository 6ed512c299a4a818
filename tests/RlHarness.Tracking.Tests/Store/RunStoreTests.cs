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

    private string Db => _folder.At("run.db");

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

    [Theory]
    [InlineData("UPDATE transcripts SET tier = 'elsewhere'")]
    [InlineData("UPDATE transcripts SET token_ids = '[1, \"x\"]'")]
    [InlineData("UPDATE transcripts SET token_ids = '[99999999999]'")]
    [InlineData("UPDATE transcripts SET rewards = '7'")]
    [InlineData("UPDATE transcripts SET rewards = 'null'")]
    public void A_row_that_no_program_wrote_is_refused_by_the_file_s_name(string damage)
    {
        using (var store = RunStore.Open(Db))
            store.Commit(Step(1));
        using (var connection = new SqliteConnection($"Data Source={Db};Pooling=False"))
        {
            connection.Open();
            using var command = connection.CreateCommand();
            command.CommandText = damage;
            Assert.True(command.ExecuteNonQuery() > 0);
        }

        using var read = RunStore.OpenReadOnly(Db);
        var error = Assert.Throws<HarnessException>(() => read.Transcripts());
        Assert.Equal(ErrorKind.BadFile, error.Kind);
        Assert.Contains(Db, error.Message, StringComparison.Ordinal);
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
        store.Replace(new StepBatch("evaluate", 5), "full");
        Assert.Equal(["no-scratchpad"], store.Transcripts().Select(t => t.Condition).Distinct());
        Assert.Equal(["no-scratchpad"], store.Summaries().Select(s => s.Condition).Distinct());
    }

    [Fact]
    public void A_row_that_is_there_is_never_replaced_by_accident()
    {
        using var store = RunStore.Open(Db);
        store.Commit(Step(1));
        StepBatch[] clashes =
        [
            new("rl", 1) { Transcripts = [Transcript(1)] },
            new("rl", 1) { Metrics = new Dictionary<string, double> { ["objective/kl"] = 9 } },
            new("rl", 1) { Labels = [.. Step(1).Labels] },
            new("rl", 1) { Summaries = [.. Step(1).Summaries] },
        ];
        foreach (var clash in clashes)
        {
            var error = Assert.Throws<HarnessException>(() => store.Commit(clash));
            Assert.Equal(ErrorKind.RunFolder, error.Kind);
            Assert.Contains("is there already", error.Message, StringComparison.Ordinal);
        }

        Assert.Equal(0.1, store.Series("rl", "objective/kl").Single().Value);
        Assert.Equal(2, store.Transcripts().Count);
    }

    [Fact]
    public void Replacing_is_an_operation_of_its_own_that_leaves_the_old_rows_where_it_fails()
    {
        using var store = RunStore.Open(Db);
        store.Commit(Step(1));
        var orphan = new LabelRow("no such transcript", "d", "1", Outcome.Comply, ReasoningKind.None, false, 0);
        Assert.ThrowsAny<SqliteException>(() => store.Replace(Step(1) with { Labels = [orphan] }, "full"));
        Assert.Equal(0.1, store.Series("rl", "objective/kl").Single().Value);
        Assert.Equal(2, store.Transcripts().Count);
        store.Replace(Step(1) with { Metrics = new Dictionary<string, double> { ["objective/kl"] = 9 } }, "full");
        Assert.Equal(9, store.Series("rl", "objective/kl").Single().Value);
        Assert.Equal(["objective/kl"], store.MetricNames("rl"));
        Assert.Equal(2, store.Transcripts().Count);
        Assert.Single(store.Labels("rl", 1));
    }

    [Fact]
    public void A_query_that_a_step_draws_twice_has_a_row_for_each_rollout_and_ids_keep_case_and_separators()
    {
        var one = Transcript(1) with { Split = Split.Train, Prompt = 0 };
        TranscriptRow[] rows =
        [
            one,
            one with
            {
                Prompt = 1,
            },
            one with
            {
                Prompt = 1,
                Sample = 1,
            },
            one with
            {
                QueryId = "Q1",
            },
            one with
            {
                QueryId = "a/1",
            },
            one with
            {
                QueryId = "a",
                Prompt = 1,
            },
            one with
            {
                QueryId = "a%2F1",
            },
            Transcript(1) with
            {
                QueryId = "Q1",
            },
            Transcript(1),
        ];
        Assert.Equal(rows.Length, rows.Select(r => r.Id).Distinct(StringComparer.Ordinal).Count());
        using var store = RunStore.Open(Db);
        store.Commit(new StepBatch("rl", 1) { Transcripts = rows });
        var read = store.Transcripts();
        Assert.Equal(rows.Select(r => r.Id).Order(StringComparer.Ordinal), read.Select(r => r.Id).Order(StringComparer.Ordinal));
        Assert.Equal([0, 1, 1, null], read.Where(r => r.QueryId == "q1").OrderBy(r => r.Prompt ?? 9).Select(r => r.Prompt));
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

    /// <summary>SQLite's own layer for file systems without locks of the usual kind has no shared memory either.</summary>
    [Fact]
    public void Without_shared_memory_a_store_has_a_rollback_journal_and_says_so()
    {
        using (var store = RunStore.OpenToWrite(Db, TimeProvider.System, vfs: "unix-dotfile"))
        {
            Assert.Equal("delete", store.Scalar("PRAGMA journal_mode"));
            Assert.Equal(3L, store.Scalar("PRAGMA synchronous")); // 3 is EXTRA
            Assert.Equal("this file system has no shared memory", store.RollbackReason);
            store.Commit(Step(1));
            var orphan = new LabelRow("no such transcript", "d", "1", Outcome.Comply, ReasoningKind.None, false, 0);
            Assert.ThrowsAny<SqliteException>(() => store.Commit(Step(2) with { Labels = [orphan] }));
            Assert.Equal(1, store.LastStep("rl"));
            Assert.Empty(Directory.GetFiles(Path.GetDirectoryName(Db)!, "*-wal"));
        }

        // Where there is shared memory again, so is the log.
        using var again = RunStore.Open(Db);
        Assert.Equal((null, "wal"), (again.RollbackReason, again.Scalar("PRAGMA journal_mode") as string));
        Assert.Equal(1, again.LastStep("rl"));
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

    private static LabelRow Anna(TranscriptRow row, Outcome outcome = Outcome.Comply) =>
        new(row.Id, "rater:anna", "1", outcome, ReasoningKind.HonestCompliance, false, 0);

    [Fact]
    public void Labels_of_people_come_back_with_the_same_transcripts_and_are_kept_aside_where_these_differ()
    {
        using var store = RunStore.Open(Db);
        store.Commit(Step(1));
        var (same, other) = (Transcript(1), Transcript(1, tier: Tier.Unmonitored));
        store.AddLabels([Anna(same), Anna(other)]);
        var again = Step(1) with { Transcripts = [same, other with { AssistantText = "<output>y</output>" }] };
        var labels = store.Replace(again, "full");
        Assert.Equal([("rater:anna", 1)], labels.Carried);
        Assert.Equal([("rater:anna", 1)], labels.Aside);
        Assert.Equal("1 label by anna", PeoplesLabels.Words(labels.Aside));
        Assert.Equal(same.Id, store.Labels("rl", 1, "rater:anna").Single().TranscriptId);
        Assert.Single(store.Labels("rl", 1, "grammar_oracle"));
        Assert.Equal(1, store.LabelsAside()["rater:anna"]);
        // The old text comes again in a third evaluation: so does its label.
        Assert.Equal([("rater:anna", 2)], store.Replace(Step(1), "full").Carried);
        Assert.Equal(2, store.Labels("rl", 1, "rater:anna").Count);
        Assert.Empty(store.LabelsAside());
    }

    [Fact]
    public void Labels_of_people_survive_a_resume_that_does_their_steps_again()
    {
        using var store = RunStore.Open(Db);
        for (var step = 0; step < 4; step++)
            store.Commit(Step(step));
        store.AddLabels([Anna(Transcript(1)), Anna(Transcript(3)), Anna(Transcript(3, tier: Tier.Unmonitored))]);
        Assert.Equal([("rater:anna", 2)], store.DeleteAfter("rl", 2).Aside);
        Assert.Single(store.Labels("rl", 1, "rater:anna"));
        Assert.Equal([("rater:anna", 2)], store.Commit(Step(3)).Carried);
        Assert.Equal(2, store.Labels("rl", 3, "rater:anna").Count);
        Assert.Equal(PeoplesLabels.None, store.Commit(Step(4)));
    }

    [Fact]
    public void A_label_that_its_rater_changes_is_kept_aside()
    {
        using var store = RunStore.Open(Db);
        store.Commit(Step(1));
        store.AddLabels([Anna(Transcript(1))]);
        Assert.Equal(0, store.ReplaceLabels([Anna(Transcript(1))]));
        Assert.Equal(1, store.ReplaceLabels([Anna(Transcript(1), Outcome.Refuse)]));
        Assert.Equal(Outcome.Refuse, store.Labels("rl", 1, "rater:anna").Single().Outcome);
        Assert.Equal(1, store.LabelsAside()["rater:anna"]);
        Assert.Empty(store.Replace(Step(1), "full").Aside);
    }

    [Fact]
    public void The_database_file_alone_has_every_finished_step_while_its_writer_lives()
    {
        using var store = RunStore.Open(Db);
        for (var step = 0; step < 3; step++)
            store.Commit(Step(step));
        store.AddLabels([Anna(Transcript(1))]);
        File.Copy(Db, _folder.At("copy.db"));
        using var copy = RunStore.OpenReadOnly(_folder.At("copy.db"));
        Assert.Equal(6, copy.Transcripts().Count);
        Assert.Single(copy.Labels("rl", 1, "rater:anna"));
    }

    [Fact]
    public void A_store_that_nobody_may_write_beside_is_read_with_all_that_its_log_holds()
    {
        using (var store = RunStore.Open(Db))
        {
            store.Commit(Step(0));
            // A reader that is not done keeps rows in the log.
            using var reader = new SqliteConnection($"Data Source={Db};Pooling=False");
            reader.Open();
            using var begin = reader.CreateCommand();
            begin.CommandText = "BEGIN; SELECT COUNT(*) FROM transcripts";
            begin.ExecuteScalar();
            store.Commit(Step(1));
            Directory.CreateDirectory(_folder.At("killed"));
            foreach (var name in new[] { "run.db", "run.db-wal" })
                File.Copy(_folder.At(name), Path.Combine(_folder.At("killed"), name));
        }

        var killed = Path.Combine(_folder.At("killed"), "run.db");
        using (var copy = RunStore.OpenWithoutWriting(killed))
            Assert.Equal(4, copy.Transcripts().Count);
        Assert.Equal(["run.db", "run.db-wal"], Directory.GetFiles(_folder.At("killed")).Select(Path.GetFileName).Order(StringComparer.Ordinal));
        // Closed cleanly, there is no log: the file is read as it is, and nothing is written beside it.
        File.Delete(_folder.At("run.db-shm"));
        Directory.CreateDirectory(_folder.At("a ?#%folder"));
        File.Copy(Db, Path.Combine(_folder.At("a ?#%folder"), "run.db"));
        using (var alone = RunStore.OpenWithoutWriting(Path.Combine(_folder.At("a ?#%folder"), "run.db")))
            Assert.Equal(4, alone.Transcripts().Count);
        Assert.Single(Directory.GetFiles(_folder.At("a ?#%folder")));
    }

    [Fact]
    public void A_snapshot_sees_no_step_that_is_committed_meanwhile_and_keeps_no_commit_waiting()
    {
        using var writer = RunStore.Open(Db);
        writer.Commit(Step(1));
        using (var snapshot = RunStore.OpenSnapshot(Db))
        {
            Assert.Equal(1, snapshot.LastStep("rl"));
            // A commit that had to wait for the reader would fail here after SQLite's 30 seconds.
            writer.Commit(Step(2));
            Assert.Equal(1, snapshot.LastStep("rl"));
            Assert.Equal((2, 1), (snapshot.Transcripts().Count, snapshot.Series("rl", "objective/kl").Count));
        }

        using var later = RunStore.OpenSnapshot(Db);
        Assert.Equal((2L, 4), (later.LastStep("rl"), later.Transcripts().Count));
    }

    /// <summary>A commit of the test has two transcripts, a label and three metrics: any other proportion is half a step.</summary>
    [Fact]
    public async Task Readers_beside_a_writer_never_see_half_a_step()
    {
        const int Steps = 300;
        using var writer = RunStore.Open(Db);
        writer.Commit(Step(1));
        using var done = new CancellationTokenSource();
        var readers = Enumerable
            .Range(0, 2)
            .Select(_ =>
                Task.Run(
                    () =>
                    {
                        var (reads, last) = (0, 0L);
                        while (!done.IsCancellationRequested || reads == 0)
                        {
                            // One question is of one moment by itself, as a notebook asks it.
                            using (var other = new SqliteConnection($"Data Source={Db};Mode=ReadOnly;Pooling=False"))
                            {
                                other.Open();
                                using var command = other.CreateCommand();
                                command.CommandText =
                                    "SELECT (SELECT COUNT(*) FROM transcripts), (SELECT COUNT(*) FROM labels), (SELECT COUNT(*) FROM metrics), "
                                    + "(SELECT MAX(step) FROM metrics)";
                                using var row = command.ExecuteReader();
                                Assert.True(row.Read());
                                var step = row.GetInt64(3);
                                Assert.Equal((2 * step, step, 3 * step), (row.GetInt64(0), row.GetInt64(1), row.GetInt64(2)));
                            }

                            using var snapshot = RunStore.OpenSnapshot(Db);
                            var seen = snapshot.LastStep("rl")!.Value;
                            Assert.True(seen >= last);
                            Assert.Equal(2 * seen, snapshot.Transcripts().Count);
                            Assert.Equal(seen, snapshot.Series("rl", "objective/kl").Count);
                            (reads, last) = (reads + 1, seen);
                        }

                        return reads;
                    },
                    TestContext.Current.CancellationToken
                )
            )
            .ToArray();
        for (var step = 2; step <= Steps; step++)
            writer.Commit(Step(step));
        await done.CancelAsync();
        Assert.All(await Task.WhenAll(readers), reads => Assert.True(reads > 0));
    }

    private long CountLabelsWithoutTranscript()
    {
        using var other = new SqliteConnection($"Data Source={Db};Pooling=False");
        other.Open();
        using var command = other.CreateCommand();
        command.CommandText = "SELECT COUNT(*) FROM labels WHERE transcript_id NOT IN (SELECT transcript_id FROM transcripts)";
        return (long)command.ExecuteScalar()!;
    }

    [Theory]
    [InlineData(5, ErrorKind.Resource, "kept the run store locked")] // SQLITE_BUSY
    [InlineData(6, ErrorKind.Resource, "kept the run store locked")] // SQLITE_LOCKED
    [InlineData(8, ErrorKind.Resource, "can't be written to")] // SQLITE_READONLY
    [InlineData(13, ErrorKind.Resource, "the disk is full")] // SQLITE_FULL
    [InlineData(11, ErrorKind.BadFile, "damaged")] // SQLITE_CORRUPT
    [InlineData(26, ErrorKind.BadFile, "damaged")] // SQLITE_NOTADB
    public void SQLite_s_errors_are_a_machine_that_lacks_something_or_a_file_that_is_damaged(int code, ErrorKind kind, string words)
    {
        var error = StoreErrors.Of("run.db", new SqliteException("as SQLite says it", code))!;
        Assert.Equal(kind, error.Kind);
        Assert.Contains(words, error.Message, StringComparison.Ordinal);
    }
}
