using RlHarness.Core.Settings;
using RlHarness.Experiment.Prompts;

namespace RlHarness.Experiment.Corpora;

/// <summary>A condition of a mixed corpus, with the weight that it occurs with. Tables that are empty are <see cref="BehaviourTables"/>' own.</summary>
public sealed record WeightedCondition : ConditionSettings
{
    public WeightedCondition() { }

    /// <param name="condition">Its prefill is left out: a model does not imitate what is done to it.</param>
    /// <param name="weight">Share of the corpus, relative to the other conditions' weights.</param>
    public WeightedCondition(Condition condition, double weight = 1)
    {
        ArgumentNullException.ThrowIfNull(condition);
        (Objective, Information, Scratchpad, Tiers) = (condition.Objective, condition.Information, condition.Scratchpad, condition.Tiers.Count);
        Weight = weight;
    }

    [Allowed(0, 1000000)]
    [Meaning("Share of the transcripts that have this condition, relative to the weights of the others.")]
    public double Weight { get; init; } = 1;

    [Meaning(
        "Joint rates of outcome and reasoning in the training tier of this condition, summing to 1; empty: the built-in table of the condition, "
            + "which for the full condition is corpus.training. Must be empty without a scratchpad."
    )]
    public IReadOnlyList<Behaviour> Training { get; init; } = [];

    [Meaning(
        "Joint rates in the tier that raters read, summing to 1; empty: the built-in table of the condition. Must be empty with two tiers or "
            + "without a scratchpad."
    )]
    public IReadOnlyList<Behaviour> Rated { get; init; } = [];

    [Meaning(
        "Joint rates in the unmonitored tier of this condition, summing to 1; empty: the built-in table of the condition, which for the full "
            + "condition is corpus.unmonitored. Must be empty without a scratchpad."
    )]
    public IReadOnlyList<Behaviour> Unmonitored { get; init; } = [];

    /// <summary>The table of a tier, with scratchpad.</summary>
    public IReadOnlyList<Behaviour> Table(Tier tier)
    {
        var own = tier switch
        {
            Tier.Training => Training,
            Tier.Rated => Rated,
            _ => Unmonitored,
        };
        return own.Count > 0 ? own : BehaviourTables.For(ToCondition(), tier);
    }
}
