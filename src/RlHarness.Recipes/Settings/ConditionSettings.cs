using RlHarness.Core.Settings;
using RlHarness.Experiment.Corpora;
using RlHarness.Experiment.Prompts;

namespace RlHarness.Recipes.Settings;

/// <summary>One condition of a mixed corpus.</summary>
public sealed record ConditionSettings
{
    [Allowed(0, 1000000)]
    [Meaning("Share of the corpus, relative to the others'.")]
    public double Weight { get; init; } = 1;

    public ObjectiveKind Objective { get; init; }

    public InformationKind Information { get; init; }

    public bool Scratchpad { get; init; } = true;

    [Allowed(2, 3)]
    public int Tiers { get; init; } = 2;

    [Meaning("As corpus.training, of this condition.")]
    public IReadOnlyList<BehaviourSettings> Training { get; init; } = [];

    public IReadOnlyList<BehaviourSettings> Rated { get; init; } = [];

    public IReadOnlyList<BehaviourSettings> Unmonitored { get; init; } = [];

    internal WeightedCondition ToWeighted() =>
        new(
            new Condition(Objective, Information, Scratchpad, ThreeTiers: Tiers == 3),
            Weight,
            BehaviourSettings.Table(Training),
            BehaviourSettings.Table(Rated),
            BehaviourSettings.Table(Unmonitored)
        );
}
