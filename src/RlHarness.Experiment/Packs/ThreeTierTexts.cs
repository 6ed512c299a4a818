namespace RlHarness.Experiment.Packs;

/// <summary>The texts of the design with free, pro and enterprise users.</summary>
public sealed record ThreeTierTexts
{
    public InformationTexts Information { get; init; } = new();

    public TierTexts Tiers { get; init; } = new();
}
