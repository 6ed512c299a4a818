using RlHarness.Core.Settings;

namespace RlHarness.Recipes.Experiments;

/// <summary>
/// A factorial design: a run's settings, factors with levels, seeds. Every combination of levels is a cell, and every cell is run with every seed.
/// </summary>
public sealed record FactorialSettings
{
    [Meaning("Name of the folder below output that holds the cells' runs, factorial.json and report.html.")]
    public string Name { get; init; } = "factorial";

    [Meaning("Settings of a run that every cell starts from; a path beside this file.")]
    public string Config { get; init; } = "quickstart.yaml";

    [Meaning("Folder that the folder of the design is written to.")]
    public string Output { get; init; } = "checkpoints";

    [Meaning("key=value pairs over the run's settings, in every cell.")]
    public IReadOnlyList<string> Set { get; init; } = [];

    [Meaning("Factors of the design, 1 to 6; every combination of their levels is a cell.")]
    public IReadOnlyList<FactorSettings> Factors { get; init; } = [];

    [Meaning("Seeds are the unit of a claim: three or more.")]
    public IReadOnlyList<int> Seeds { get; init; } = [1, 2, 3];

    [Allowed(1, 64)]
    [Meaning("Cells that run at once, each a process of its own.")]
    public int Parallel { get; init; } = 1;

    [Meaning(
        "The corpus holds the conditions of all cells in equal parts, so that they share one imitating model a seed; false: each cell imitates its "
            + "own condition."
    )]
    public bool ShareImitation { get; init; } = true;
}
