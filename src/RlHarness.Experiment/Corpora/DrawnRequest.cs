using RlHarness.Experiment.Prompts;

namespace RlHarness.Experiment.Corpora;

/// <summary>One request in its parts.</summary>
/// <param name="Values">What each slot holds; a value may itself have slots.</param>
/// <param name="Indices">Number of each slot's value in its list.</param>
internal sealed record DrawnRequest(IReadOnlyDictionary<string, string> Values, IReadOnlyDictionary<string, int> Indices, string Frame, Split Split);
