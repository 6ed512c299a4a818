using Microsoft.Data.Sqlite;
using RlHarness.Experiment.Prompts;
using RlHarness.Experiment.Transcripts;
using RlHarness.Tests;
using RlHarness.Tracking.Export;
using RlHarness.Tracking.Store;

namespace RlHarness.Tracking.Tests.Store;

/// <summary>Stores of schema version 1 are read as they lie, and brought to today's version by whoever writes.</summary>
[Trait("kind", "contract")]
public sealed class FirstVersionTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    private string Db => _folder.At("run.db");

    public void Dispose() => _folder.Dispose();

    private string Scalar(string sql)
    {
        using var connection = new SqliteConnection($"Data Source={Db};Pooling=False");
        connection.Open();
        using var command = connection.CreateCommand();
        command.CommandText = sql;
        return $"{command.ExecuteScalar()}";
    }

    private static void IsWhole(RunStore store)
    {
        var rows = store.Transcripts();
        Assert.Equal(
            [(Split.Evaluation, Tier.Training, "a1"), (Split.Evaluation, Tier.Unmonitored, "a2"), (Split.Train, Tier.Training, "a3")],
            rows.Select(r => (r.Split, r.Tier, r.AssistantText))
        );
        Assert.All(rows, r => Assert.Null(r.Prompt));
        Assert.Equal("rl/1/train/training/full/q2/0", store.Transcripts(new(Split: Split.Train, Tier: Tier.Training)).Single().Id);
        Assert.Equal("a2", store.Transcripts(new(Id: "rl/0/evaluation/unmonitored/full/q1/0")).Single().AssistantText);
        Assert.Equal(
            [(Outcome.Comply, ReasoningKind.ConsidersButRefuses), (Outcome.BrokenFormat, ReasoningKind.None)],
            store.Labels("rl", 0).Select(l => (l.Outcome, l.Reasoning))
        );
        Assert.Empty(store.ScenarioLabels("rl", 0));
        Assert.Empty(store.LabelsAside());
        Assert.Equal([(Tier?)Tier.Training, null], store.Summaries(detector: "keyword").Select(s => s.Tier).OrderBy(t => t is null));
        var page = store.Newest(new(Outcome: Outcome.BrokenFormat, Tier: Tier.Unmonitored));
        Assert.Equal("a2", page.Found.Single().Row.AssistantText);
        Assert.Equal(Outcome.BrokenFormat, page.Found.Single().Labels.Single().Outcome);
        Assert.Equal(["a3", "a2"], store.Newest(new(Count: 2)).Found.Select(f => f.Row.AssistantText));
    }

    [Fact]
    public void A_reader_sees_today_s_words_and_leaves_the_file_as_it_is()
    {
        FirstVersion.Write(Db);
        var before = File.ReadAllBytes(Db);
        using (var store = RunStore.OpenReadOnly(Db))
            IsWhole(store);
        Assert.Equal(before, File.ReadAllBytes(Db));
        Assert.Equal("1", Scalar("SELECT value FROM meta WHERE key = 'schema_version'"));
    }

    [Fact]
    public void Where_nothing_can_be_written_it_is_read_all_the_same()
    {
        FirstVersion.Write(Db);
        using var store = RunStore.OpenWithoutWriting(Db);
        IsWhole(store);
    }

    [Fact]
    public void A_writer_brings_it_to_today_s_version_and_says_so()
    {
        FirstVersion.Write(Db);
        using (var store = RunStore.Open(Db))
        {
            IsWhole(store);
            Assert.Contains("from schema version 1 to 2", Assert.Single(store.Events()).Message, StringComparison.Ordinal);
            store.AddLabels([new("rl/1/train/training/full/q2/0", "rater:anna", "1", Outcome.Partial, ReasoningKind.TrainingTalk, false, 0)]);
            store.DeleteAfter("rl", 0);
            Assert.Equal(1, store.LabelsAside()["rater:anna"]);
        }

        Assert.Equal("2", Scalar("SELECT value FROM meta WHERE key = 'schema_version'"));
        Assert.Equal("broken_format", Scalar("SELECT outcome FROM labels WHERE reasoning_kind = 'none'"));
        Assert.Equal("both", Scalar("SELECT tier FROM summaries WHERE metric = 'af/compliance_gap'"));
        Assert.Equal("2", Scalar("SELECT COUNT(*) FROM labels l JOIN transcripts t ON t.transcript_id = l.transcript_id"));
        Assert.Equal("partial training_talk", Scalar("SELECT outcome || ' ' || reasoning_kind FROM labels_aside"));
        using var again = RunStore.Open(Db);
        Assert.Single(again.Events());
    }

    [Fact]
    public void A_process_that_fails_while_it_renews_leaves_the_first_version()
    {
        FirstVersion.Write(Db);
        // What the renewal ends with can't be written: all of it is undone.
        Scalar("CREATE TRIGGER stop BEFORE UPDATE ON meta BEGIN SELECT RAISE(ABORT, 'no'); END");
        Assert.ThrowsAny<Exception>(() => RunStore.Open(Db));
        using (var store = RunStore.OpenReadOnly(Db))
            IsWhole(store);
        Assert.Equal("Evaluation", Scalar("SELECT split FROM transcripts WHERE id = 'rl/0/evaluation/training/full/q1/0'"));
    }

    [Fact]
    public void Exports_of_both_versions_are_the_same()
    {
        SyntheticRun.Write(_folder.Path);
        RunExport.Write(_folder.Path, _folder.At("today"), "csv");
        FirstVersion.Make(Db);
        Assert.Equal("1", Scalar("SELECT COUNT(*) > 0 FROM labels WHERE reasoning_kind = 'Faking'"));
        RunExport.Write(_folder.Path, _folder.At("first"), "csv");
        foreach (var file in Directory.EnumerateFiles(_folder.At("today")))
            Assert.Equal(File.ReadAllText(file), File.ReadAllText(Path.Combine(_folder.At("first"), Path.GetFileName(file))));
    }
}
