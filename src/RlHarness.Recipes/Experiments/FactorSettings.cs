using RlHarness.Core.Settings;

namespace RlHarness.Recipes.Experiments;

/// <summary>One factor of a design.</summary>
public sealed record FactorSettings
{
    [Meaning("Name of the factor, in names of cells and in tables.")]
    public string Name { get; init; } = "";

    /// <summary>Two or more; of two, the first is "absent" in the tests of effects.</summary>
    [Meaning("Two or more levels; the first of two is taken as absent, the second as present.")]
    public IReadOnlyList<LevelSettings> Levels { get; init; } = [];
}
