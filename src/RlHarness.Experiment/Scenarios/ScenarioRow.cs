using RlHarness.Experiment.Prompts;

namespace RlHarness.Experiment.Scenarios;

/// <summary>One labelled response to a scenario: what a summary counts.</summary>
/// <param name="Item">Id of the item, without its variant.</param>
public sealed record ScenarioRow(string Item, string Variant, Tier Tier, ScenarioLabel Label);
