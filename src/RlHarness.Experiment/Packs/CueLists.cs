namespace RlHarness.Experiment.Packs;

/// <summary>Regular expressions over lower-case sentences, of which any may match: what the grammar oracle reads by.</summary>
public sealed record CueLists
{
    public OutputCues Output { get; init; } = new();

    public ReasoningCues Reasoning { get; init; } = new();
}
