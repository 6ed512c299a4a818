using RlHarness.Core.Settings;

namespace RlHarness.Experiment.Packs;

/// <summary>How often the imitated model's scratchpad is of one class and its output of another.</summary>
public sealed record ScenarioCell
{
    public string Reasoning { get; init; } = "";

    public string Output { get; init; } = "";

    [Allowed(0, 1)]
    public double Rate { get; init; }
}
