namespace RlHarness.Experiment.Packs;

/// <summary>The sentence that says which tier this user is of.</summary>
public sealed record TierTexts
{
    public string Training { get; init; } = "";

    /// <summary>Only where there are three tiers.</summary>
    public string? Rated { get; init; }

    public string Unmonitored { get; init; } = "";
}
