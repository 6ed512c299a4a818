using RlHarness.Experiment.Prompts;

namespace RlHarness.Experiment.Corpora;

/// <summary>A condition of a mixed corpus, with the weight that it occurs with. Tables that are null are <see cref="BehaviourTables"/>' own.</summary>
public sealed record WeightedCondition(
    Condition Condition,
    double Weight = 1,
    IReadOnlyList<Behaviour>? Training = null,
    IReadOnlyList<Behaviour>? Rated = null,
    IReadOnlyList<Behaviour>? Unmonitored = null
)
{
    /// <summary>The table of a tier, with scratchpad.</summary>
    public IReadOnlyList<Behaviour> Table(Tier tier) =>
        tier switch
        {
            Tier.Training => Training ?? BehaviourTables.For(Condition, tier),
            Tier.Rated => Rated ?? BehaviourTables.For(Condition, tier),
            _ => Unmonitored ?? BehaviourTables.For(Condition, tier),
        };
}
