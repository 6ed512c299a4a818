using RlHarness.Experiment.Prompts;

namespace RlHarness.Experiment.Scenarios;

/// <summary>A scenario with its slots filled: what its variants have in common, so that an opportunity is paired with its own control.</summary>
/// <param name="Id">Stable: the same words have the same id in each run.</param>
/// <param name="Words">By slot.</param>
/// <param name="Split">Train: imitated. Evaluation: asked. Never both.</param>
public sealed record ScenarioItem(string Id, IReadOnlyDictionary<string, string> Words, Split Split);
