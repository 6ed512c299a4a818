using RlHarness.Core.Settings;

namespace RlHarness.Recipes.Settings;

/// <summary>Low-rank adapters (LoRA, Hu et al. 2021) in place of full tuning.</summary>
public sealed record AdapterSettings
{
    [Allowed(1, 4096)]
    [Meaning("Rank of the two matrices whose product is added to a projection.")]
    public int Rank { get; init; } = 16;

    [Allowed(0, 100000, MinExclusive = true)]
    [Meaning("The product is scaled by this divided by the rank.")]
    public double Alpha { get; init; } = 32;

    [Meaning("Projections that get an adapter, by name (q_proj, v_proj, ...), or all-linear for every projection of every layer.")]
    public IReadOnlyList<string> TargetModules { get; init; } = ["all-linear"];
}
