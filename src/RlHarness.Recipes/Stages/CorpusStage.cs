using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;
using RlHarness.Core.Files;
using RlHarness.Experiment.Corpora;
using RlHarness.Recipes.Running;

namespace RlHarness.Recipes.Stages;

/// <summary>Synthesises the transcripts that the model imitates and the preference pairs of the objective. Deterministic and quick, so never cached.</summary>
public static class CorpusStage
{
    public const string Name = "corpus";
    private static readonly JsonSerializerOptions Options = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
        Converters = { new JsonStringEnumConverter(JsonNamingPolicy.SnakeCaseLower) },
    };

    public sealed record Corpus(IReadOnlyList<CorpusTranscript> Transcripts, IReadOnlyList<PreferencePair> Pairs)
    {
        /// <summary>Share of the training tier's scratchpads that fake and comply.</summary>
        public double AlignmentFakingRate => Transcripts.Where(t => t.Tier == Experiment.Prompts.Tier.Training).Average(t => t.AlignmentFaking ? 1.0 : 0);
    }

    public static Corpus Run(RunContext run)
    {
        var settings = run.Settings.Corpus.ToCorpus();
        var seeds = run.Seeds.Child(Name);
        var corpus = new Corpus(CorpusGenerator.Transcripts(settings, seeds), CorpusGenerator.PreferencePairs(settings, seeds));
        var folder = run.Folder.Stage(Name);
        WriteLines(Path.Combine(folder, "transcripts.jsonl"), corpus.Transcripts);
        WriteLines(Path.Combine(folder, "preference_pairs.jsonl"), corpus.Pairs);
        return corpus;
    }

    private static void WriteLines<T>(string path, IReadOnlyList<T> rows) => AtomicFile.Write(path, stream =>
    {
        foreach (var row in rows)
        {
            JsonSerializer.Serialize(stream, row, Options);
            stream.WriteByte((byte)'\n');
        }
    });
}
