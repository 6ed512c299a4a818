using RlHarness.Core.Settings;

namespace RlHarness.Experiment.Packs;

/// <summary>A slot that each clause draws anew.</summary>
public sealed record ClauseSlot
{
    public string Name { get; init; } = "";

    public IReadOnlyList<string> Values { get; init; } = [];

    /// <summary>A slot of the request to draw from in place of values.</summary>
    public string? Of { get; init; }

    /// <summary>Probability that the request's own value stays; else one of the same group.</summary>
    [Allowed(0, 1)]
    public double Keep { get; init; } = 1;

    /// <summary>Draws from all groups, but never the value that this slot has; null: from the request's group.</summary>
    public string? OtherThan { get; init; }
}
