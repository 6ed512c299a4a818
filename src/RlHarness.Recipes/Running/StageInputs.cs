using RlHarness.Experiment.Packs;
using RlHarness.Experiment.Prompts;
using RlHarness.Recipes.Settings;
using TorchSharp;

namespace RlHarness.Recipes.Running;

/// <summary>All that the keys of the stage cache are made of: known before a run has a folder, so that a plan can tell which runs share a stage.</summary>
internal sealed record StageInputs(RunSettings Settings, PromptPack Pack, Condition Condition, DeviceType Device)
{
    internal static StageInputs Of(RunSettings settings, DeviceType device)
    {
        var pack = PackLibrary.Load(settings.Experiment.Pack);
        return new(settings, pack, settings.Experiment.ToCondition(pack), device);
    }

    /// <summary>The condition whose transcripts the corpus has: not what is evaluated, so that conditions share an imitating model.</summary>
    internal string CorpusCondition => Settings.Corpus.Conditions.Count == 0 ? CorpusStageSettings.Imitated(Condition).Name : "listed";
}
