using System.Text.Encodings.Web;
using System.Text.Json;
using Parquet.Serialization;
using RlHarness.Core.Errors;
using RlHarness.Core.Files;
using RlHarness.Tracking.Store;

namespace RlHarness.Tracking.Export;

/// <summary>Writes a run's transcripts and labels as files for other programs: <c>transcripts</c>, <c>labels</c>, and <c>scenario_labels</c> where scenarios were asked, in JSON lines or Parquet.</summary>
public static class RunExport
{
    private static readonly JsonSerializerOptions Json = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <param name="Paths">The files that were written.</param>
    public sealed record Result(IReadOnlyList<string> Paths, int Transcripts, int Labels);

    /// <param name="run">A run's folder; it may be running.</param>
    /// <param name="folder">Where to; made where it is not there, files of the same names are replaced whole.</param>
    /// <param name="format"><c>jsonl</c> or <c>parquet</c>.</param>
    /// <exception cref="HarnessException">There is no run, or the format is another.</exception>
    public static Result Write(string run, string folder, string format)
    {
        var database = Path.Combine(run, "run.db");
        if (!File.Exists(database)) throw HarnessException.BadFile(database, "no run here", remedy: "name a run's folder, such as checkpoints/quickstart");
        if (format is not ("jsonl" or "parquet")) throw new HarnessException(ExitCode.BadInput, "unknown format", format, "jsonl or parquet");
        Directory.CreateDirectory(folder);
        using var store = RunStore.OpenReadOnly(database);
        ExportedTranscript[] transcripts = [.. store.Transcripts().Select(ExportedTranscript.Of)];
        ExportedLabel[] labels = [.. store.TranscriptCounts().SelectMany(c => store.Labels(c.Stage, c.Step)).Select(ExportedLabel.Of)];
        ExportedScenarioLabel[] scenarios = [.. store.TranscriptCounts().SelectMany(c => store.ScenarioLabels(c.Stage, c.Step)).Select(ExportedScenarioLabel.Of)];
        List<string> paths = [Path.Combine(folder, $"transcripts.{format}"), Path.Combine(folder, $"labels.{format}")];
        Write(paths[0], transcripts, format);
        Write(paths[1], labels, format);
        if (scenarios.Length > 0)
        {
            paths.Add(Path.Combine(folder, $"scenario_labels.{format}"));
            Write(paths[2], scenarios, format);
        }

        return new(paths, transcripts.Length, labels.Length);
    }

    private static void Write<T>(string path, IReadOnlyCollection<T> rows, string format)
        where T : class, new()
        => AtomicFile.Write(path, stream =>
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

            // Parquet's writer seeks; the file is made in memory and written in one piece.
            using var memory = new MemoryStream();
            ParquetSerializer.SerializeAsync(rows, memory).GetAwaiter().GetResult();
            memory.Position = 0;
            memory.CopyTo(stream);
        });
}
