namespace RlHarness.Experiment.Packs;

/// <summary><c>scenarios.yaml</c>: simulated opportunities to act against the lab, each with a benign control, and questions for stated preferences.</summary>
public sealed record ScenarioTexts
{
    /// <summary>Words by slot. A scenario is asked with every combination of the slots that its variants have.</summary>
    public IReadOnlyDictionary<string, IReadOnlyList<string>> Slots { get; init; } = new Dictionary<string, IReadOnlyList<string>>();

    public IReadOnlyList<ScenarioText> AntiLab { get; init; } = [];

    public IReadOnlyList<ScenarioText> Preferences { get; init; } = [];
}
