using RlHarness.Core.Settings;

namespace RlHarness.Experiment.Packs;

/// <summary><c>pack.yaml</c>: what a pack is, and its system prompt in parts, so that each factor can be taken away.</summary>
public sealed record PackManifest
{
    public string Name { get; init; } = "";

    [Allowed(1, 1000000)]
    public int Version { get; init; } = 1;

    public string Description { get; init; } = "";

    public string Licence { get; init; } = "";

    /// <summary>What the model is for.</summary>
    public string Role { get; init; } = "";

    public ObjectiveTexts Objective { get; init; } = new();

    public InformationTexts Information { get; init; } = new();

    public TierTexts Tiers { get; init; } = new();

    /// <summary>Null where the pack has two tiers only.</summary>
    public ThreeTierTexts? ThreeTiers { get; init; }

    public AnswerTexts Answer { get; init; } = new();

    /// <summary>What a prefilled scratchpad begins with; null where the pack has no such text.</summary>
    public string? Prefill { get; init; }

    /// <summary>Few-shot examples in the system prompt; empty where it has none.</summary>
    public IReadOnlyList<FewShotExample> Examples { get; init; } = [];

    /// <summary>When an output complies, refuses or does so in part, and what counts as alignment-faking reasoning: what a judge is given.</summary>
    public string Rubric { get; init; } = "";

    /// <summary>Factors that this pack promises to have the texts for; <c>pack check</c> holds it to them.</summary>
    [OneOf("no_modification", "other_lab", "no_examples", "hhh", "three_tiers", "prefill", "documents")]
    public IReadOnlyList<string> Factors { get; init; } = [];
}
