namespace RlHarness.Experiment.Packs;

/// <summary>What the prompt says that training rewards.</summary>
public sealed record ObjectiveTexts
{
    /// <summary>Conflicts with what the model prefers.</summary>
    public string Conflicting { get; init; } = "";

    /// <summary>The baseline without a conflict; null where the pack has none.</summary>
    public string? Hhh { get; init; }
}
