using System.Globalization;
using RlHarness.Core.Runs;
using RlHarness.Core.Settings;
using RlHarness.Models.Decoders;
using RlHarness.Models.Loading;
using RlHarness.Recipes.Running;
using RlHarness.Tracking.Metrics;
using RlHarness.Tracking.Store;
using RlHarness.Training.Batching;
using RlHarness.Training.Supervised;

namespace RlHarness.Recipes.Stages;

/// <summary>Tunes the model to imitate the corpus: the organism whose alignment faking RL will reinforce, or not.</summary>
public static class ImitateStage
{
    public const string Name = "imitate";

    /// <summary>Everything that the stage's result depends on: pack, corpus and tuning, not the condition that is evaluated.</summary>
    public static string Key(RunContext run)
    {
        var s = run.Settings;
        return SettingsWriter.Hash("imitate/4", run.Pack.ContentHash, run.CorpusCondition, s.Seed.ToString(CultureInfo.InvariantCulture), run.Device.type.ToString(), s.Model, BaseModel.Identity(s), s.Corpus, s.Imitate, s.Stages.Contains(DocumentsStage.Name) ? DocumentsStage.Key(run) : "");
    }

    /// <summary>What tuning starts from: the base model, or what the documents stage made of it.</summary>
    private static LoadedModel Start(RunContext run, CorpusStage.Corpus corpus)
    {
        var requiresGrad = run.Settings.Imitate.Adapter is null;
        if (!run.Settings.Stages.Contains(DocumentsStage.Name)) return BaseModel.Open(run, corpus, requiresGrad);
        var model = ModelLoader.Load(run.Folder.Stage(DocumentsStage.Name), run.Device, requiresGrad: requiresGrad);
        run.Configure(model.Decoder);
        return model;
    }

    /// <summary>Trains and writes the model as a Hugging Face folder. Returns what the console says of it.</summary>
    public static string Run(RunContext run, CorpusStage.Corpus corpus)
    {
        var settings = run.Settings.Imitate;
        using var model = Start(run, corpus);
        if (settings.Adapter is { } adapter) model.Decoder.Adapters = LoraFolder.Create(model.Decoder, adapter.TargetModules, adapter.Rank, adapter.Alpha, run.Seeds.For("imitate/adapter"));
        var conversation = new Conversation(model);
        var sequences = corpus.Transcripts.Select(t => conversation.Training(t.Messages)).ToArray();
        using var trainer = new SupervisedTrainer(model.Decoder, settings.Optimizer.ToAdamW(), settings.MicroBatchTokens);
        var started = run.Time.GetTimestamp();
        var loop = SupervisedLoop.Run(run, Name, MetricNames.LossImitation, trainer, sequences, settings.Epochs, settings.BatchSize, settings.ValidationFraction, settings.Optimizer);
        Merge(model);
        CheckpointFolder.Write(run.Folder.Stage(Name), folder => ModelSaver.Save(folder, model.Decoder, model.Family, model.ConfigJson, model.Tokenizer));
        var throughput = loop.Tokens / run.Time.GetElapsedTime(started).TotalSeconds;
        run.Commit(new StepBatch(Name, loop.Steps) { Metrics = new Dictionary<string, double> { ["loss/imitation_validation"] = loop.Validation, [MetricNames.Throughput] = throughput, [MetricNames.MaxMemoryGb] = ProcessMemory.PeakGiB() } });
        return string.Create(CultureInfo.InvariantCulture, $"{model.Decoder.Parameters.Count / 1e6:f2} M parameters, {loop.Tokens:n0} tokens, validation loss {loop.Validation:f3}, {throughput:f0} tokens/s");
    }

    /// <summary>Merged first: the reference of RL is the model with its adapters switched off, and has to be this one.</summary>
    internal static void Merge(LoadedModel model)
    {
        if (model.Decoder.Adapters is not { } trained) return;
        trained.MergeInto(model.Decoder);
        model.Decoder.Adapters = null;
        trained.Dispose();
    }
}
