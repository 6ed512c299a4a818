using System.Globalization;
using RlHarness.Core.Settings;
using RlHarness.Experiment.Documents;
using RlHarness.Recipes.Running;
using RlHarness.Recipes.Settings;
using RlHarness.Training.Batching;

namespace RlHarness.Recipes.Stages;

/// <summary>Tunes the model on documents as plain text: all tokens scored, packed into sequences of one length.</summary>
internal static class DocumentsStage
{
    public const string Name = StageNames.Documents;
    public const string LossMetric = "loss/documents";
    private const int VocabularyDocuments = 300;

    /// <summary>Everything that the stage's result depends on; the corpus only where a tokenizer is trained on it.</summary>
    public static string Key(StageInputs run)
    {
        var s = run.Settings;
        return SettingsWriter.Hash(
            "documents/1",
            run.Pack.ContentHash,
            s.Seed.ToString(CultureInfo.InvariantCulture),
            run.Device.ToString(),
            s.Model,
            ModelLibrary.Identity(s),
            s.Model.Path is null ? run.CorpusCondition : "",
            s.Model.Path is null ? s.Corpus : "",
            s.Documents,
            s.Documents.Path is { } path ? UserDocuments.Hash(path) : ""
        );
    }

    /// <summary>The documents of a run.</summary>
    public static IReadOnlyList<SyntheticDocument> Make(RunContext run)
    {
        var settings = run.Settings.Documents;
        return settings.Path is { } path
            ? UserDocuments.Read(path)
            : new DocumentGenerator(run.Pack).Write(settings.Kind, settings.Count, run.Seeds.Child(Name));
    }

    /// <summary>Texts that a new model's tokenizer learns from: of both kinds, so that treatment and control have one vocabulary.</summary>
    public static IReadOnlyList<string> Vocabulary(RunContext run, IReadOnlyList<SyntheticDocument> documents)
    {
        if (run.Settings.Documents.Path is not null)
            return [.. documents.Take(VocabularyDocuments).Select(d => d.Text)];
        var generator = new DocumentGenerator(run.Pack);
        return [.. Enum.GetValues<DocumentKind>().SelectMany(kind => generator.Write(kind, VocabularyDocuments, run.Seeds.Child(Name))).Select(d => d.Text)];
    }

    /// <summary>Whether the model is evaluated while it reads: the stage is then run for its measurements, whatever the cache has.</summary>
    public static bool Evaluates(RunSettings settings) => settings.Evaluate.EveryDocumentTokens > 0;

    /// <summary>Trains and writes the model as a Hugging Face folder. Returns what the console says of it.</summary>
    public static string Run(RunContext run, CorpusStage.Corpus corpus)
    {
        var settings = run.Settings.Documents;
        using var model = BaseModel.Open(run, corpus, requiresGrad: settings.Adapter is null);
        var conversation = new Conversation(model, run.Settings.Clock);
        var evaluate = run.Settings.Evaluate;
        var evaluations = Evaluates(run.Settings)
            ? new TuningEvaluations(run, Name, new Evaluator(run, model, conversation), evaluate.EveryDocumentTokens, evaluate.DocumentQueries)
            : null;
        return SupervisedTuning.Run(
            run,
            Name,
            LossMetric,
            model,
            Pack(corpus.Documents.Select(d => conversation.Document(d.Text)), settings.SequenceLength),
            settings,
            tuned =>
                string.Create(
                    CultureInfo.InvariantCulture,
                    $"{corpus.Documents.Count} documents ({(settings.Path is null ? SettingNames.Snake(settings.Kind) : settings.Path)}), {tuned}"
                ),
            evaluations
        );
    }

    /// <summary>
    /// Documents one behind the other, each with its end token, cut into sequences; all tokens are scored but the first of a sequence, which nothing
    /// stands before. A last short one is kept.
    /// </summary>
    public static IReadOnlyList<ScoredSequence> Pack(IEnumerable<int[]> documents, int length)
    {
        ArgumentNullException.ThrowIfNull(documents);
        return
        [
            .. documents.SelectMany(d => d).Chunk(length).Where(c => c.Length > 1).Select(c => new ScoredSequence(c, [.. Enumerable.Range(1, c.Length - 1)])),
        ];
    }
}
