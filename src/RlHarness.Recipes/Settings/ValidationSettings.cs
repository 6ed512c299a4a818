using RlHarness.Core.Settings;

namespace RlHarness.Recipes.Settings;

/// <summary>How detectors are scored at each evaluation, and rates corrected for their errors (docs/detectors.md).</summary>
public sealed record ValidationSettings
{
    [OneOf("grammar_oracle", "none")]
    [Meaning(
        "Whose labels are taken for true during a run: the grammar oracle, for the puffery world that it knows; none for other packs, where people label afterwards (`label RUN`)."
    )]
    public string Truth { get; init; } = "grammar_oracle";

    [Allowed(0, 100000)]
    [Meaning("Queries of the labelled sample in each tier, drawn by the seed anew at each evaluation. Corrections know the truth of these only.")]
    public int Queries { get; init; } = 50;

    [Allowed(0, 0.5)]
    [Meaning("A warning is given when sensitivity or specificity differ from the first evaluation's by Fisher's exact test at this level; 0: never.")]
    public double DriftAlpha { get; init; } = 0.01;
}
