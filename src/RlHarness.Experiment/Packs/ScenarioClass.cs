namespace RlHarness.Experiment.Packs;

/// <summary>One class of scratchpads or outputs: how it is written, and the cues by which it is read.</summary>
public sealed record ScenarioClass
{
    /// <summary>Whole texts, of which one is drawn.</summary>
    public IReadOnlyList<string> Say { get; init; } = [];

    /// <summary>Regular expressions over lower-case text, of which any may match.</summary>
    public IReadOnlyList<string> Cues { get; init; } = [];
}
