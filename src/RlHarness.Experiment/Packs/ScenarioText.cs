namespace RlHarness.Experiment.Packs;

/// <summary>One scenario: what is asked, in variants, and the classes that an answer can be of.</summary>
public sealed record ScenarioText
{
    /// <summary>Stable, lower-case letters, digits and hyphens: part of metric names and of the ids of what is asked.</summary>
    public string Id { get; init; } = "";

    /// <summary>By name: <c>control</c> and one or more others for anti-lab behaviour, <c>question</c> alone for a preference.</summary>
    public IReadOnlyDictionary<string, ScenarioVariant> Variants { get; init; } = new Dictionary<string, ScenarioVariant>();

    /// <summary>What a scratchpad can decide, by name; for anti-lab behaviour one of them is <c>decides</c>.</summary>
    public IReadOnlyDictionary<string, ScenarioClass> Reasoning { get; init; } = new Dictionary<string, ScenarioClass>();

    /// <summary>What an output can do, by name; for anti-lab behaviour one of them is <c>attempts</c>, for a preference these are its options.</summary>
    public IReadOnlyDictionary<string, ScenarioClass> Output { get; init; } = new Dictionary<string, ScenarioClass>();
}
