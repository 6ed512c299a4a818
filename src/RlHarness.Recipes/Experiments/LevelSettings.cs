using RlHarness.Core.Settings;

namespace RlHarness.Recipes.Experiments;

/// <summary>One level of a factor: key=value pairs over a run's settings.</summary>
public sealed record LevelSettings
{
    [Meaning("Name of the level, in names of cells and in tables.")]
    public string Name { get; init; } = "";

    [Meaning("key=value pairs over the run's settings, in the cells of this level.")]
    public IReadOnlyList<string> Set { get; init; } = [];
}
