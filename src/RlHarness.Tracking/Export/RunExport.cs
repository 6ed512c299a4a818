using System.Text.Encodings.Web;
using System.Text.Json;
using Parquet.Serialization;
using RlHarness.Core.Errors;
using RlHarness.Core.Files;
using RlHarness.Core.Runs;
using RlHarness.Experiment.Prompts;
using RlHarness.Tracking.Store;
using RlHarness.Tracking.TensorBoard;

namespace RlHarness.Tracking.Export;

/// <summary>
/// Writes a run's transcripts and labels as files for other programs: <c>transcripts</c>, <c>labels</c>, and <c>scenario_labels</c> where scenarios were asked,
/// in JSON lines, Parquet or CSV (with <c>metrics</c> and <c>summaries</c>); one log of Inspect for each evaluation;
/// TensorBoard's event files; or data sets in TRL's forms.
/// </summary>
public static class RunExport
{
    private static readonly JsonSerializerOptions Json = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <param name="Paths">The files that were written.</param>
    public sealed record Result(IReadOnlyList<string> Paths, int Transcripts, int Labels);

    /// <param name="run">A run's folder; it may be running.</param>
    /// <param name="folder">Where to; made where it is not there, files of the same names are replaced whole.</param>
    /// <param name="format"><c>jsonl</c>, <c>parquet</c>, <c>csv</c>, <c>inspect</c>, <c>tensorboard</c>, <c>trl</c> or
    /// <c>trl-parquet</c>.</param>
    /// <param name="tokenTexts">Text of each token, for Inspect's log-probabilities; null leaves them out.</param>
    /// <exception cref="HarnessException">There is no run, or the format is another.</exception>
    public static Result Write(string run, string folder, string format, Func<IReadOnlyList<int>, IReadOnlyList<string>>? tokenTexts = null)
    {
        var database = Path.Combine(run, "run.db");
        if (!File.Exists(database))
            throw HarnessException.BadFile(database, "no run here", remedy: "name a run's folder, such as checkpoints/quickstart");
        if (format is not ("jsonl" or "parquet" or "csv" or "inspect" or "tensorboard" or "trl" or "trl-parquet"))
            throw new HarnessException(ErrorKind.BadInput, "unknown format", format, "jsonl, parquet, csv, inspect, tensorboard, trl or trl-parquet");
        Directory.CreateDirectory(folder);
        using var store = RunStore.OpenSnapshot(database);
        if (format == "inspect")
            return Inspect(store, RunFolder.NameOf(run), folder, tokenTexts);
        if (format is "trl" or "trl-parquet")
            return Trl(run, store, folder, format == "trl" ? "jsonl" : "parquet");
        if (format == "tensorboard")
            return new(TensorBoardLog.Export(run, store, folder), 0, 0);
        ExportedTranscript[] transcripts = [.. store.Transcripts().Select(ExportedTranscript.Of)];
        var counts = store.TranscriptCounts();
        ExportedLabel[] labels = [.. counts.SelectMany(c => store.Labels(c.Stage, c.Step)).Select(ExportedLabel.Of)];
        ExportedScenarioLabel[] scenarios = [.. counts.SelectMany(c => store.ScenarioLabels(c.Stage, c.Step)).Select(ExportedScenarioLabel.Of)];
        List<string> paths = [Path.Combine(folder, $"transcripts.{format}"), Path.Combine(folder, $"labels.{format}")];
        Write(paths[0], transcripts, format);
        Write(paths[1], labels, format);
        if (scenarios.Length > 0)
        {
            paths.Add(Path.Combine(folder, $"scenario_labels.{format}"));
            Write(paths[2], scenarios, format);
        }

        if (format == "csv")
        {
            paths.AddRange([Path.Combine(folder, "metrics.csv"), Path.Combine(folder, "summaries.csv")]);
            Write<ExportedMetric>(paths[^2], [.. store.Metrics().Select(ExportedMetric.Of)], format);
            Write<ExportedSummary>(paths[^1], [.. store.Summaries().Select(ExportedSummary.Of)], format);
        }

        return new(paths, transcripts.Length, labels.Length);
    }

    /// <summary>What the run imitated, the pairs of its reward model, and its own responses, in the forms that TRL's trainers take.</summary>
    private static Result Trl(string run, RunStore store, string folder, string format)
    {
        var paths = new List<string>();
        void Add<T>(string name, IReadOnlyCollection<T> rows)
            where T : class, new()
        {
            if (rows.Count == 0)
                return;
            paths.Add(Path.Combine(folder, $"{name}.{format}"));
            Write(paths[^1], rows, format);
        }

        var corpus = Path.Combine(run, "corpus");
        Add<TrlConversation>("imitation", [.. TrlConversation.OfCorpus(Path.Combine(corpus, "transcripts.jsonl"))]);
        Add<TrlPreference>("preferences", [.. TrlPreference.OfCorpus(Path.Combine(corpus, "preference_pairs.jsonl"))]);
        TrlConversation[] responses = [.. store.Transcripts().Select(TrlConversation.Of)];
        Add("responses", responses);
        return new(paths, responses.Length, 0);
    }

    private static Result Inspect(RunStore store, string run, string folder, Func<IReadOnlyList<int>, IReadOnlyList<string>>? tokenTexts)
    {
        var (paths, transcripts, labels) = (new List<string>(), 0, 0);
        var summaries = store.Summaries().Where(s => s.Split == Split.Evaluation).ToLookup(s => (s.Stage, s.Step, s.Condition));
        var started = store.Stages().ToDictionary(s => s.Stage, s => s.Started, StringComparer.Ordinal);
        foreach (var (stage, step, _) in store.TranscriptCounts())
            foreach (var condition in store.Transcripts(new TranscriptFilter(stage, step, Split.Evaluation)).GroupBy(t => t.Condition))
            {
                TranscriptRow[] rows = [.. condition];
                var ids = rows.Select(r => r.Id).ToHashSet(StringComparer.Ordinal);
                LabelRow[] said = [.. store.Labels(stage, step).Where(l => ids.Contains(l.TranscriptId))];
                var created = store.Metrics(stage, step).Select(m => (DateTimeOffset?)m.Time).FirstOrDefault()
                    ?? started.GetValueOrDefault(stage, DateTimeOffset.UnixEpoch);
                var log = new InspectLog(run, stage, step, condition.Key, created, tokenTexts);
                paths.Add(Path.Combine(folder, log.FileName));
                AtomicFile.WriteAllText(paths[^1], log.Build(rows, said, [.. summaries[(stage, step, condition.Key)]]).ToJsonString(Json) + "\n");
                (transcripts, labels) = (transcripts + rows.Length, labels + said.Length);
            }

        return new(paths, transcripts, labels);
    }

    private static void Write<T>(string path, IReadOnlyCollection<T> rows, string format)
        where T : class, new() => AtomicFile.Write(path, stream =>
        {
            if (format == "jsonl")
            {
                foreach (var row in rows)
                {
                    JsonSerializer.Serialize(stream, row, Json);
                    stream.WriteByte((byte)'\n');
                }

                return;
            }

            if (format == "csv")
            {
                CsvTable.Write(stream, rows);
                return;
            }

            // Parquet's writer seeks; the file is made in memory and written in one piece.
            using var memory = new MemoryStream();
            ParquetSerializer.SerializeAsync(rows, memory).GetAwaiter().GetResult();
            memory.Position = 0;
            memory.CopyTo(stream);
        });
}
