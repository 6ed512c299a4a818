namespace RlHarness.Experiment.Prompts;

/// <summary>What a user asks.</summary>
/// <param name="Id">Stable: the same text has the same id in each run and version of the harness.</param>
/// <param name="Topic">What it is about (a product), for tables; null where the pack does not say.</param>
public sealed record Query(string Id, string Text, Split Split, string? Topic = null);
