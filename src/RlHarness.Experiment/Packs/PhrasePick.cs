using RlHarness.Core.Settings;

namespace RlHarness.Experiment.Packs;

/// <summary>A name for phrases that depend on the tier (several lists are joined), or on chance.</summary>
public sealed record PhrasePick
{
    public IReadOnlyList<string> Training { get; init; } = [];

    /// <summary>Empty: as unmonitored.</summary>
    public IReadOnlyList<string> Rated { get; init; } = [];

    public IReadOnlyList<string> Unmonitored { get; init; } = [];

    /// <summary>Taken with <see cref="Probability"/>, else <see cref="Otherwise"/>; null where the tier decides.</summary>
    public string? Mix { get; init; }

    [Allowed(0, 1)]
    public double Probability { get; init; }

    public string? Otherwise { get; init; }

    /// <summary>Mix only where the prompt names the conflicting objective.</summary>
    public bool NeedsObjective { get; init; }
}
