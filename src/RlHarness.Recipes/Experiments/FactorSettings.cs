namespace RlHarness.Recipes.Experiments;

/// <summary>One factor of a design.</summary>
public sealed record FactorSettings
{
    public string Name { get; init; } = "";

    /// <summary>Two or more; of two, the first is "absent" in the tests of effects.</summary>
    public IReadOnlyList<LevelSettings> Levels { get; init; } = [];
}
