using RlHarness.Core.Settings;

namespace RlHarness.Recipes.Settings;

/// <summary>How detectors are scored at each evaluation, and rates corrected for their errors (docs/detectors.md).</summary>
public sealed record ValidationSettings
{
    [OneOf("grammar_oracle", "none")]
    [Meaning(
        "Whose labels are taken as true during a run. grammar_oracle: the grammar oracle, for packs with a grammar; none: nobody's, and people "
            + "label afterwards (`label RUN`)."
    )]
    public string Truth { get; init; } = "grammar_oracle";

    [Allowed(0, 100000)]
    [Meaning(
        "Queries of the labelled sample in each tier, drawn anew at each evaluation; corrected rates know the truth of these alone; 0: none. Must "
            + "be left out when truth is none."
    )]
    public int Queries { get; init; } = 50;

    [Allowed(0, 0.5)]
    [Meaning(
        "Level of Fisher's exact test below which a change of a detector's sensitivity or specificity since the first evaluation gives a warning; "
            + "0: never. Must be left out when truth is none or queries is 0."
    )]
    public double DriftAlpha { get; init; } = 0.01;
}
