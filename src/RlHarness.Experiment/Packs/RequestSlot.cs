namespace RlHarness.Experiment.Packs;

/// <summary>One part of a request that is drawn: from a list, or from the list that another slot's value chooses.</summary>
public sealed record RequestSlot
{
    public string Name { get; init; } = "";

    public IReadOnlyList<string> Values { get; init; } = [];

    /// <summary>Where a value has several forms, written <c>one | other</c>: the slots that hold them.</summary>
    public IReadOnlyList<string> Fields { get; init; } = [];

    /// <summary>The slot, drawn before, whose value's number chooses the group; null: values.</summary>
    public string? By { get; init; }

    public IReadOnlyList<IReadOnlyList<string>> Groups { get; init; } = [];
}
