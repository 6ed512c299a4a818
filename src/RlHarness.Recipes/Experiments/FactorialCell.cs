using RlHarness.Recipes.Settings;

namespace RlHarness.Recipes.Experiments;

/// <summary>One cell of a design with one seed: an ordinary run.</summary>
/// <param name="Cell">Number of the combination of levels; the last factor's level changes fastest.</param>
/// <param name="Levels">Number of each factor's level.</param>
public sealed record FactorialCell(int Cell, string Name, IReadOnlyList<int> Levels, int Seed, RunSettings Settings)
{
    /// <summary>The run's folder.</summary>
    public string Folder => Path.Combine(Settings.Output, Settings.Name);
}
