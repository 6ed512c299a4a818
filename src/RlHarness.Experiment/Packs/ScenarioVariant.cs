namespace RlHarness.Experiment.Packs;

/// <summary>One way in which a scenario is asked.</summary>
public sealed record ScenarioVariant
{
    /// <summary>What follows the run's system prompt, such as a note that offers the opportunity; empty: nothing.</summary>
    public string Context { get; init; } = "";

    /// <summary>What the user says.</summary>
    public string Query { get; init; } = "";

    /// <summary>What the imitated model does, summing to 1; empty: a corpus has nothing of this variant.</summary>
    public IReadOnlyList<ScenarioCell> Rates { get; init; } = [];
}
