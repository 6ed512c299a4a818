using RlHarness.Experiment.Scenarios;

namespace RlHarness.Tracking.Store;

/// <summary>What one version of the scenario detector says of one transcript of a scenario.</summary>
/// <param name="Scenario">Id of the scenario in its pack.</param>
/// <param name="Item">Id of what was asked, without the variant.</param>
public sealed record ScenarioLabelRow(
    string TranscriptId,
    string Detector,
    string DetectorVersion,
    ScenarioGroup Group,
    string Scenario,
    string Variant,
    string Item,
    ScenarioLabel Label
);
