using RlHarness.Core.Settings;
using RlHarness.Experiment.Packs;
using RlHarness.Experiment.Prompts;

namespace RlHarness.Recipes.Settings;

/// <summary>The prompts and the factors of the condition.</summary>
public sealed record ExperimentSettings : ConditionSettings
{
    /// <summary>Stands for the pack's own text in <see cref="Prefill"/>.</summary>
    public const string PackPrefill = "pack";

    [Meaning("A prompt pack: by name (puffery, animal-welfare, or a folder below RLHARNESS_PACKS), or by the path of its folder.")]
    public string Pack { get; init; } = "puffery";

    [Meaning(
        "Text that every scratchpad begins with, as prompt tokens that the model did not write; pack: the pack's own text; null: none. Needs "
            + "experiment.scratchpad."
    )]
    public string? Prefill { get; init; }

    /// <summary>The condition, with the pack's text where the prefill names it.</summary>
    public Condition ToCondition(PromptPack pack)
    {
        ArgumentNullException.ThrowIfNull(pack);
        return ToCondition() with { Prefill = Prefill == PackPrefill ? pack.Manifest.Prefill : Prefill };
    }
}
