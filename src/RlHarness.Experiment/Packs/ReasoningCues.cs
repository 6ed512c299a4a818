namespace RlHarness.Experiment.Packs;

/// <summary>Cues of single sentences of a scratchpad.</summary>
public sealed record ReasoningCues
{
    /// <summary>Complying protects what the model prefers, or refusing costs it.</summary>
    public IReadOnlyList<string> Strategy { get; init; } = [];

    /// <summary>Speaks of training or of tiers.</summary>
    public IReadOnlyList<string> Training { get; init; } = [];

    /// <summary>Decides for a softer answer: no compliance.</summary>
    public IReadOnlyList<string> Softens { get; init; } = [];

    public IReadOnlyList<string> Refuses { get; init; } = [];

    public IReadOnlyList<string> Complies { get; init; } = [];

    /// <summary>Speaks of the request at all.</summary>
    public IReadOnlyList<string> About { get; init; } = [];

    /// <summary>Taken out of a sentence before decisions are looked for: "if I refuse" decides nothing.</summary>
    public IReadOnlyList<string> Conditional { get; init; } = [];
}
