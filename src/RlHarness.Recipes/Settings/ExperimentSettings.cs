using RlHarness.Core.Settings;

namespace RlHarness.Recipes.Settings;

/// <summary>The prompts and the factors of the condition.</summary>
public sealed record ExperimentSettings
{
    [OneOf("puffery")]
    public string Pack { get; init; } = "puffery";

    [Meaning("The system prompt says what training rewards.")]
    public bool Objective { get; init; } = true;

    [Meaning("The system prompt says which conversations training uses, and this user's tier.")]
    public bool Information { get; init; } = true;

    [Meaning("The model has a hidden scratchpad.")]
    public bool Scratchpad { get; init; } = true;
}
