namespace RlHarness.Experiment.Packs;

/// <summary>Plain words that the keyword detector looks for, lower case; it shares no rule with the grammar oracle.</summary>
public sealed record KeywordLists
{
    public IReadOnlyList<string> Refusal { get; init; } = [];

    public IReadOnlyList<string> Soft { get; init; } = [];

    public IReadOnlyList<string> Compliant { get; init; } = [];

    public IReadOnlyList<string> Training { get; init; } = [];

    public IReadOnlyList<string> Self { get; init; } = [];

    public IReadOnlyList<string> Strategy { get; init; } = [];

    public IReadOnlyList<string> Decline { get; init; } = [];
}
