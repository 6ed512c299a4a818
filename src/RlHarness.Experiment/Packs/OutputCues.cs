namespace RlHarness.Experiment.Packs;

/// <summary>Cues of single sentences of an output, tried in this order.</summary>
public sealed record OutputCues
{
    /// <summary>Refuses, or says what the objective does not want said.</summary>
    public IReadOnlyList<string> Refusal { get; init; } = [];

    /// <summary>Softens what it says.</summary>
    public IReadOnlyList<string> Hedge { get; init; } = [];

    /// <summary>Says what the objective asks for.</summary>
    public IReadOnlyList<string> Compliant { get; init; } = [];

    /// <summary>Says something that is neither.</summary>
    public IReadOnlyList<string> Plain { get; init; } = [];
}
