namespace RlHarness.Recipes.Experiments;

/// <summary>One level of a factor: key=value pairs over a run's settings.</summary>
public sealed record LevelSettings
{
    public string Name { get; init; } = "";

    public IReadOnlyList<string> Set { get; init; } = [];
}
