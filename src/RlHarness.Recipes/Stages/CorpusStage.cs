using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;
using RlHarness.Core.Chat;
using RlHarness.Core.Errors;
using RlHarness.Core.Files;
using RlHarness.Core.Progress;
using RlHarness.Core.Randomness;
using RlHarness.Experiment.Corpora;
using RlHarness.Experiment.Documents;
using RlHarness.Experiment.PackFiles;
using RlHarness.Experiment.Packs;
using RlHarness.Experiment.Prompts;
using RlHarness.Experiment.Scenarios;
using RlHarness.Recipes.Data;
using RlHarness.Recipes.Running;
using RlHarness.Recipes.Settings;

namespace RlHarness.Recipes.Stages;

/// <summary>
/// Synthesises the transcripts that the model imitates and the preference pairs of the objective, or takes the pack's own. Deterministic and quick,
/// so never cached.
/// </summary>
public static class CorpusStage
{
    public const string Name = StageNames.Corpus;
    private static readonly JsonSerializerOptions Options = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
        Converters = { new JsonStringEnumConverter(JsonNamingPolicy.SnakeCaseLower) },
    };

    /// <param name="Pairs">What the reward model learns from.</param>
    /// <param name="OtherPairs">The conflicting objective's, where the run's are the baseline's: a tokenizer is trained on the same texts for both.</param>
    public sealed record Corpus(
        IReadOnlyList<CorpusTranscript> Transcripts,
        IReadOnlyList<PreferencePair> Pairs,
        IReadOnlyList<PreferencePair>? OtherPairs = null
    )
    {
        /// <summary>Answers to scenarios, which are imitated beside the transcripts; empty where the run asks for none.</summary>
        public IReadOnlyList<ScenarioTranscript> Scenarios { get; init; } = [];

        /// <summary>Second turns, which are imitated too; empty where the run asks for none.</summary>
        public IReadOnlyList<InterrogationTranscript> Interrogations { get; init; } = [];

        /// <summary>What the documents stage reads; empty where the run has none.</summary>
        public IReadOnlyList<SyntheticDocument> Documents { get; init; } = [];

        /// <summary>Documents that a new model's tokenizer learns from.</summary>
        public IReadOnlyList<string> VocabularyTexts { get; init; } = [];

        /// <summary>Share of the training tier's scratchpads that fake and comply; 0 where there are none.</summary>
        public double AlignmentFakingRate =>
            Transcripts.Where(t => t.Tier == Tier.Training).Select(t => t.AlignmentFaking ? 1.0 : 0).DefaultIfEmpty().Average();

        /// <summary>All that the model imitates.</summary>
        public IEnumerable<IReadOnlyList<ChatMessage>> Imitated =>
            Transcripts.Select(t => t.Messages).Concat(Scenarios.Select(t => t.Messages)).Concat(Interrogations.Select(t => t.Messages));

        /// <summary>All texts that a new model's tokenizer learns from.</summary>
        public IEnumerable<string> Texts =>
            Imitated
                .SelectMany(t => t.Select(m => m.Content!))
                .Concat((OtherPairs ?? Pairs).SelectMany(p => new[] { p.Chosen, p.Rejected }))
                .Concat(VocabularyTexts);
    }

    public static Corpus Run(RunContext run)
    {
        run.Ranks.FirstDoes("files of the corpus", () => HoldFiles(run));
        var corpus = Make(run.Settings, run.Pack, run.Condition, run.Seeds.Child(Name), run.Progress);
        if (run.Settings.Stages.Contains(StageNames.Documents))
        {
            var documents = DocumentsStage.Make(run);
            corpus = corpus with { Documents = documents, VocabularyTexts = DocumentsStage.Vocabulary(run, documents) };
        }

        if (!run.Ranks.IsFirst)
            return corpus;
        Write(run, "transcripts.jsonl", corpus.Transcripts);
        Write(run, "preference_pairs.jsonl", corpus.Pairs);
        if (corpus.Scenarios.Count > 0)
            Write(run, "scenarios.jsonl", corpus.Scenarios);
        if (corpus.Interrogations.Count > 0)
            Write(run, "interrogations.jsonl", corpus.Interrogations);
        if (corpus.Documents.Count > 0)
            Write(run, "documents.jsonl", corpus.Documents);
        return corpus;
    }

    /// <summary>That files of somebody's own are what they were when the run began: a run that goes on has read the same corpus throughout.</summary>
    private static void HoldFiles(RunContext run)
    {
        const string Key = "sha256/corpus.files";
        var (transcripts, pairs) = (run.Settings.Corpus.TranscriptsFile, run.Settings.Corpus.PreferencesFile);
        foreach (var path in new[] { transcripts?.Path, pairs?.Path }.OfType<string>().Where(p => !File.Exists(p)))
            throw HarnessException.BadFile(
                path,
                "no such file",
                "nothing at this path",
                "the file that the run's settings name",
                "put it back, or go on from the folder that its path starts at"
            );
        var found = OwnData.Identity(transcripts, pairs);
        if (run.Store.Note(Key) is not { } noted)
            run.Store.KeepNote(Key, found);
        else if (noted != found)
            throw new HarnessException(
                ErrorKind.RunFolder,
                $"{run.Folder.Path}: a file of the corpus was changed since the run began",
                string.Join(", ", new[] { transcripts?.Path, pairs?.Path }.OfType<string>()),
                "the content that the run began with",
                "put it back as it was, or start a run of its own with `train`"
            );
    }

    /// <summary>The corpus, from the pack's grammar or its own files.</summary>
    /// <param name="progress">Null: nobody is told.</param>
    public static Corpus Make(RunSettings run, PromptPack pack, Condition condition, Seeds seeds, IRunProgress? progress = null)
    {
        Action<int, int>? Said(string unit) => progress is null ? null : (done, total) => progress.Step(unit, done, total, []);
        var settings = run.Corpus.Generated(condition);
        var generator = pack.CanWrite ? new CorpusGenerator(pack) : null;
        var transcripts =
            run.Corpus.TranscriptsFile is { } file ? OwnData.Transcripts(file, pack, CorpusStageSettings.Imitated(condition))
            : run.Corpus.Source == "examples" || generator is null ? OwnTranscripts(pack, CorpusStageSettings.Imitated(condition))
            : generator.Transcripts(settings, seeds, Said("transcript"));
        var own = run.Corpus.PreferencesFile is { } preferences ? OwnData.Pairs(preferences) : null;
        var pairs = own ?? generator?.PreferencePairs(settings, seeds, onProgress: Said("pair")) ?? pack.Preferences;
        var writer = new ScenarioCorpus(pack);
        ScenarioTranscript[] scenarios =
        [
            .. new[] { ScenarioGroup.AntiLab, ScenarioGroup.Preference }.SelectMany(g =>
                writer.Write(g, run.Corpus.ScenarioTranscripts(g), settings.Conditions, seeds)
            ),
        ];
        IReadOnlyList<InterrogationTranscript> interrogations = pack.Interrogation is { } asked
            ? new InterrogationCorpus(asked).Write(run.Corpus.ScenarioTranscripts(ScenarioGroup.Interrogation), transcripts, seeds)
            : [];
        // Pairs of somebody's own say what is better as they stand, whatever the objective.
        if (condition.Objective != ObjectiveKind.Hhh || own is not null)
            return new(transcripts, pairs) { Scenarios = scenarios, Interrogations = interrogations };
        return new(
            transcripts,
            generator?.PreferencePairs(settings, seeds, ObjectiveKind.Hhh, Said("pair"))
                ?? [.. pairs.Select(p => p with { Chosen = p.Rejected, Rejected = p.Chosen })],
            pairs
        )
        {
            Scenarios = scenarios,
            Interrogations = interrogations,
        };
    }

    private static CorpusTranscript[] OwnTranscripts(PromptPack pack, Condition condition) =>
        [
            .. pack.Examples.Select(
                (e, i) =>
                {
                    var of = condition with { Scratchpad = e.Reasoning is not null };
                    return new CorpusTranscript(
                        e.Id ?? $"example-{i + 1:D6}",
                        "",
                        e.Tier,
                        of.Scratchpad,
                        pack.SystemPrompt(e.Tier, of),
                        e.User,
                        e.Reasoning,
                        e.Output,
                        e.Outcome,
                        e.ReasoningKind,
                        of.Name
                    );
                }
            ),
        ];

    private static void Write<T>(RunContext run, string name, IReadOnlyList<T> rows) => AtomicFile.Write(Path.Combine(run.Folder.Stage(Name), name), stream =>
        {
            for (var i = 0; i < rows.Count; i++)
            {
                run.Progress.Step($"line of {name}", i, rows.Count, []);
                JsonSerializer.Serialize(stream, rows[i], Options);
                stream.WriteByte((byte)'\n');
            }
        });
}
