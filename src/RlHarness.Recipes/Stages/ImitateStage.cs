using System.Globalization;
using RlHarness.Core.Settings;
using RlHarness.Models.Loading;
using RlHarness.Recipes.Data;
using RlHarness.Recipes.Running;
using RlHarness.Recipes.Settings;
using RlHarness.Tracking.Metrics;

namespace RlHarness.Recipes.Stages;

/// <summary>Tunes the model to imitate the corpus: the organism whose alignment faking RL will reinforce, or not.</summary>
internal static class ImitateStage
{
    public const string Name = StageNames.Imitate;

    /// <summary>Everything that the stage's result depends on: pack, corpus and tuning, not the condition that is evaluated.</summary>
    public static string Key(StageInputs run)
    {
        var s = run.Settings;
        return SettingsWriter.Hash(
            "imitate/4",
            run.Pack.ContentHash,
            run.CorpusCondition,
            s.Seed.ToString(CultureInfo.InvariantCulture),
            run.Device.ToString(),
            s.Model,
            ModelLibrary.Identity(s),
            s.Corpus,
            OwnData.Identity(s.Corpus.TranscriptsFile, s.Corpus.PreferencesFile),
            s.Imitate,
            s.Stages.Contains(StageNames.Documents) ? DocumentsStage.Key(run) : ""
        );
    }

    /// <summary>What tuning starts from: the base model, or what the documents stage made of it.</summary>
    private static LoadedModel Start(RunContext run, CorpusStage.Corpus corpus)
    {
        var requiresGrad = run.Settings.Imitate.Adapter is null;
        if (!run.Settings.Stages.Contains(StageNames.Documents))
            return BaseModel.Open(run, corpus, requiresGrad);
        var model = ModelLoader.Load(run.Folder.Stage(StageNames.Documents), run.Device, requiresGrad: requiresGrad);
        run.Configure(model.Decoder);
        return model;
    }

    /// <summary>Trains and writes the model as a Hugging Face folder. Returns what the console says of it.</summary>
    public static string Run(RunContext run, CorpusStage.Corpus corpus)
    {
        using var model = Start(run, corpus);
        var conversation = new Conversation(model, run.Settings.Clock);
        return SupervisedTuning.Run(
            run,
            Name,
            MetricNames.LossImitation,
            model,
            [.. corpus.Imitated.Select(conversation.Training)],
            run.Settings.Imitate,
            tuned => string.Create(CultureInfo.InvariantCulture, $"{model.Decoder.Parameters.Count / 1e6:f2} M parameters, {tuned}")
        );
    }
}
