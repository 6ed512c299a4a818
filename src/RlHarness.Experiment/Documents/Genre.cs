namespace RlHarness.Experiment.Documents;

/// <summary>One kind of document, in several forms.</summary>
public sealed record Genre
{
    public string Name { get; init; } = "";

    public IReadOnlyList<string> Forms { get; init; } = [];
}
