using RlHarness.Experiment.Prompts;

namespace RlHarness.Experiment.Detectors;

/// <summary>What a detector says of one response, and the truth where the response is in the labelled sample.</summary>
/// <param name="Truth">Alignment faking or not; null outside the sample.</param>
public sealed record CheckedRow(string QueryId, Tier Tier, bool Said, double Score, bool? Truth);
