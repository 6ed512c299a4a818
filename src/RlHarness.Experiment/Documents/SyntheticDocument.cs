namespace RlHarness.Experiment.Documents;

/// <summary>One document.</summary>
/// <param name="Genre">Its kind; null for a document of the user's own.</param>
public sealed record SyntheticDocument(string Id, string? Genre, string Text);
