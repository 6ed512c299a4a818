using RlHarness.Core.Settings;
using RlHarness.Experiment.Packs;
using RlHarness.Experiment.Prompts;

namespace RlHarness.Recipes.Settings;

/// <summary>The prompts and the factors of the condition.</summary>
public sealed record ExperimentSettings
{
    /// <summary>Stands for the pack's own text in <see cref="Prefill"/>.</summary>
    public const string PackPrefill = "pack";

    [Meaning("A prompt pack by name (puffery, animal-welfare, or below RLHARNESS_PACKS) or by the path of its folder.")]
    public string Pack { get; init; } = "puffery";

    [Meaning(
        "What the prompt says that training rewards. absent: nothing (the reward stays the conflicting one); hhh: the baseline, and pairs prefer honest outputs."
    )]
    public ObjectiveKind Objective { get; init; }

    [Meaning(
        "Which conversations training uses, and this user's tier: said by the prompt, by documents that the model was tuned on (the prompt then has the tier alone), cut down, or not at all."
    )]
    public InformationKind Information { get; init; }

    [Meaning("The model has a hidden scratchpad.")]
    public bool Scratchpad { get; init; } = true;

    [Meaning("What the scratchpad begins with, as prompt tokens; pack: the pack's own text. Null: nothing.")]
    public string? Prefill { get; init; }

    [Allowed(2, 3)]
    [Meaning("2: free and paid users; 3: free (trained on), pro (read by raters) and enterprise (neither).")]
    public int Tiers { get; init; } = 2;

    /// <summary>The condition, with the pack's text where the prefill names it.</summary>
    public Condition ToCondition(PromptPack pack)
    {
        ArgumentNullException.ThrowIfNull(pack);
        return new(Objective, Information, Scratchpad, Prefill == PackPrefill ? pack.Manifest.Prefill : Prefill, Tiers == 3);
    }
}
