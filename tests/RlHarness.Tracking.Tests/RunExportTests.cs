using System.Text.Json;
using Parquet.Serialization;
using RlHarness.Core.Errors;
using RlHarness.Tracking.Export;
using RlHarness.Tracking.Store;

namespace RlHarness.Tracking.Tests;

[Trait("kind", "contract")]
public sealed class RunExportTests : IDisposable
{
    private readonly string _run = Directory.CreateTempSubdirectory("rlharness-export-").FullName;

    public RunExportTests() => SyntheticRun.Write(_run, steps: 5, queries: 10);

    public void Dispose() => Directory.Delete(_run, recursive: true);

    [Fact]
    public async Task Both_formats_hold_each_transcript_and_label_once()
    {
        var folder = Path.Combine(_run, "export");
        var written = RunExport.Write(_run, folder, "jsonl");
        RunExport.Write(_run, folder, "parquet");
        using var store = RunStore.OpenReadOnly(Path.Combine(_run, "run.db"));
        var expected = store.Transcripts();
        Assert.NotEmpty(expected);
        Assert.Equal(expected.Count, written.Transcripts);

        var lines = File.ReadAllLines(Path.Combine(folder, "transcripts.jsonl")).Select(l => JsonDocument.Parse(l).RootElement).ToArray();
        Assert.Equal(expected.Select(t => t.Id), lines.Select(l => l.GetProperty("transcript_id").GetString()));
        Assert.Equal(expected.Select(t => t.AssistantText), lines.Select(l => l.GetProperty("assistant_text").GetString()));

        await using var transcriptFile = File.OpenRead(Path.Combine(folder, "transcripts.parquet"));
        var rows = (await ParquetSerializer.DeserializeAsync<ExportedTranscript>(transcriptFile)).Data;
        Assert.Equal(expected.Select(t => (t.Id, t.Output, t.Step)), rows.Select(r => (r.Id, r.Output, r.Step)));
        await using var labelFile = File.OpenRead(Path.Combine(folder, "labels.parquet"));
        var labels = (await ParquetSerializer.DeserializeAsync<ExportedLabel>(labelFile)).Data;
        Assert.Equal(File.ReadAllLines(Path.Combine(folder, "labels.jsonl")).Length, labels.Count);
        Assert.All(labels, l => Assert.Contains(l.TranscriptId, rows.Select(r => r.Id)));
    }

    [Fact]
    public void Labels_of_scenarios_are_a_file_of_their_own_where_there_are_any()
    {
        Assert.Equal(2, RunExport.Write(_run, _run, "jsonl").Paths.Count);
        using (var store = RunStore.Open(Path.Combine(_run, "run.db")))
        {
            var row = store.Transcripts(new TranscriptFilter(Limit: 1))[0] with { Split = Experiment.Prompts.Split.Scenario, QueryId = "p-s-x-00.easy" };
            store.Commit(
                new StepBatch(row.Stage, row.Step)
                {
                    Transcripts = [row],
                    ScenarioLabels =
                    [
                        new(row.Id, "scenario_cues", "1-0", Experiment.Scenarios.ScenarioGroup.AntiLab, "x", "easy", "p-s-x-00", new("decides", "attempts")),
                    ],
                }
            );
        }

        Assert.Equal(3, RunExport.Write(_run, _run, "jsonl").Paths.Count);
        var line = JsonDocument.Parse(Assert.Single(File.ReadAllLines(Path.Combine(_run, "scenario_labels.jsonl")))).RootElement;
        Assert.Equal(
            ["anti_lab", "x", "easy", "p-s-x-00", "decides", "attempts"],
            new[] { "scenario_group", "scenario", "variant", "item", "reasoning", "output" }.Select(k => line.GetProperty(k).GetString())
        );
    }

    [Fact]
    public void A_folder_without_a_run_and_another_format_are_refused()
    {
        Assert.Contains(
            "no run here",
            Assert.Throws<HarnessException>(() => RunExport.Write(Path.Combine(_run, "none"), _run, "jsonl")).Message,
            StringComparison.Ordinal
        );
        Assert.Contains("unknown format", Assert.Throws<HarnessException>(() => RunExport.Write(_run, _run, "xlsx")).Message, StringComparison.Ordinal);
    }
}
