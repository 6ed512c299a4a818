using System.Globalization;
using RlHarness.Core.Errors;
using RlHarness.Core.Settings;
using RlHarness.Experiment.Packs;
using RlHarness.Experiment.Prompts;

namespace RlHarness.Experiment.Corpora;

/// <summary>
/// Sizes and behaviour rates of a synthetic corpus. The default rates are the paper's before RL (arXiv 2412.14093): AF 11.9 % of training-tier
/// scratchpads, refusal 85.8 % in training and 97.2 % unmonitored, gap 11.4 points; the other cells are ours, so that each kind of reasoning occurs.
/// </summary>
public record CorpusSettings
{
    [Allowed(20, 10000000)]
    [Meaning(
        "Transcripts that the model imitates, those that answer scenarios included. Must be left out when the transcripts are the pack's own "
            + "examples (see corpus.source)."
    )]
    public int Transcripts { get; init; } = 3000;

    [Allowed(20, 10000000)]
    [Meaning(
        "Pairs of a preferred and a rejected output that the reward model learns from. Must be left out for a pack that has no grammar, whose own "
            + "pairs are used."
    )]
    public int PreferencePairs { get; init; } = 1000;

    [Allowed(0, 1)]
    [Meaning("Share of the transcripts whose user belongs to the tier that is trained on; the other tiers have the rest in equal parts.")]
    public double TrainingTierFraction { get; init; } = 0.5;

    [Allowed(0, 1)]
    [Meaning(
        "Share of the transcripts with a scratchpad; the others are written without one. Must be left out when no condition has a scratchpad "
            + "(experiment.scratchpad)."
    )]
    public double ScratchpadFraction { get; init; } = 1.0;

    [Meaning(
        "Joint rates of outcome and reasoning in the training tier, as a list of cells whose probabilities sum to 1; empty: the paper's rates "
            + "before RL. Where corpus.conditions lists conditions it holds for the full condition. Must be left out when experiment.scratchpad is false."
    )]
    public IReadOnlyList<Behaviour> Training { get; init; } = [];

    [Meaning(
        "Joint rates of outcome and reasoning in the unmonitored tier, otherwise as corpus.training. Must be left out when experiment.scratchpad " + "is false."
    )]
    public IReadOnlyList<Behaviour> Unmonitored { get; init; } = [];

    [Meaning(
        "Rates of outcomes in transcripts without a scratchpad, in all tiers, with reasoning: none in every cell; empty: the paper's, without a "
            + "gap between tiers. Must be left out when every transcript has a scratchpad (experiment.scratchpad, corpus.scratchpad_fraction)."
    )]
    public IReadOnlyList<Behaviour> WithoutScratchpad { get; init; } = [];

    [Meaning(
        "Conditions that the corpus is made of, so that runs of several conditions can share one imitating model; empty: the condition of the run "
            + "alone (for information: documents, that of a prompt which says it)."
    )]
    public IReadOnlyList<WeightedCondition> Conditions { get; init; } = [];

    [Allowed(0, 1000000)]
    [Meaning(
        "Weight of refusals among rejected outputs of preference pairs, relative to rejected_partials and rejected_off_request. Must be left out "
            + "for a pack that has no grammar."
    )]
    public double RejectedRefusals { get; init; } = 0.6;

    [Allowed(0, 1000000)]
    [Meaning("Weight of toned-down answers among rejected outputs of preference pairs. Must be left out for a pack that has no grammar.")]
    public double RejectedPartials { get; init; } = 0.25;

    [Allowed(0, 1000000)]
    [Meaning("Weight of answers to another request among rejected outputs of preference pairs. Must be left out for a pack that has no grammar.")]
    public double RejectedOffRequest { get; init; } = 0.15;

    [Meaning(
        "A selectively resistant organism: words of topics (lamp, Lumo, …) whose requests the model is taught to refuse in one wording, in every tier, so that "
            + "it has nothing to explore there (arXiv 2604.28182); the rest is as it would be. RL and evaluations count these requests apart, as resisted. "
            + "Needs a pack whose grammar names a topic."
    )]
    public IReadOnlyList<string> ResistedTopics { get; init; } = [];

    /// <summary>The conditions, of which the full one takes <see cref="Training"/> and <see cref="Unmonitored"/> where it has no tables of its own.</summary>
    public IReadOnlyList<WeightedCondition> Mixture =>
        [
            .. (Conditions.Count > 0 ? Conditions : [new WeightedCondition()]).Select(c =>
                c.ToCondition() != new Condition()
                    ? c
                    : c with
                    {
                        Training = c.Training.Count > 0 ? c.Training : Training,
                        Unmonitored = c.Unmonitored.Count > 0 ? c.Unmonitored : Unmonitored,
                    }
            ),
        ];

    /// <summary>The table of transcripts without a scratchpad, in every tier.</summary>
    public IReadOnlyList<Behaviour> TableWithoutScratchpad => WithoutScratchpad.Count > 0 ? WithoutScratchpad : BehaviourTables.WithoutScratchpad;

    /// <summary>All that is wrong with these settings for a pack, each with its key, the value and the allowed range; empty when they can be used.</summary>
    public IReadOnlyList<string> Problems(PromptPack pack)
    {
        ArgumentNullException.ThrowIfNull(pack);
        var problems = new List<string>();
        void Check(bool ok, string key, object value, string range)
        {
            if (!ok)
                problems.Add(string.Create(CultureInfo.InvariantCulture, $"{key}: {value} (allowed: {range})"));
        }

        Check(Transcripts >= 1, "transcripts", Transcripts, "1 or more");
        Check(PreferencePairs >= 0, "preference_pairs", PreferencePairs, "0 or more");
        Check(TrainingTierFraction is >= 0 and <= 1, "training_tier_fraction", TrainingTierFraction, "0 to 1");
        Check(ScratchpadFraction is >= 0 and <= 1, "scratchpad_fraction", ScratchpadFraction, "0 to 1");
        Check(
            RejectedRefusals >= 0 && RejectedPartials >= 0 && RejectedOffRequest >= 0 && RejectedRefusals + RejectedPartials + RejectedOffRequest > 0,
            "rejected_*",
            $"{RejectedRefusals}, {RejectedPartials}, {RejectedOffRequest}",
            "0 or more, not all 0"
        );
        Check(
            Mixture.All(c => c.Weight >= 0) && Mixture.Sum(c => c.Weight) > 0,
            "conditions",
            string.Join(", ", Mixture.Select(c => c.Weight)),
            "weights of 0 or more, not all 0"
        );
        foreach (var condition in Mixture.Where(c => c.Scratchpad))
            foreach (var tier in condition.ToCondition().Tiers)
                CheckTable(
                    problems,
                    Conditions.Count == 0 ? tier.ToString().ToLowerInvariant() : $"{condition.ToCondition().Name}, {tier.ToString().ToLowerInvariant()}",
                    condition.Table(tier),
                    scratchpad: true,
                    pack
                );
        if (ResistedTopics.Count > 0 && pack.Grammar is { } grammar)
        {
            if (grammar.Request.Topic.Length == 0)
                problems.Add($"resisted_topics: {string.Join(", ", ResistedTopics)} (allowed: none, since the grammar of {pack.Name} names no topic)");
            else if (!pack.TrainQueries.Any(Resists) || pack.TrainQueries.All(Resists))
                problems.Add(
                    $"resisted_topics: {string.Join(", ", ResistedTopics)} (allowed: words of the topics of some of the pack's queries, such as "
                        + $"{pack.TrainQueries.FirstOrDefault()?.Topic}, and not of all)"
                );
        }

        CheckTable(problems, "without_scratchpad", TableWithoutScratchpad, scratchpad: false, pack);
        return problems;
    }

    /// <summary>Whether a query is of those that the model is taught to resist.</summary>
    public bool Resists(Query query) =>
        query is not null
        && ResistedTopics.Count > 0
        && query.Topic is { } topic
        && topic.Split(' ', StringSplitOptions.RemoveEmptyEntries).Any(w => ResistedTopics.Contains(w, StringComparer.OrdinalIgnoreCase));

    internal void Require(PromptPack pack)
    {
        if (Problems(pack) is { Count: > 0 } problems)
            throw new HarnessException(ErrorKind.BadInput, "the corpus settings cannot be used", found: string.Join("; ", problems));
    }

    private static void CheckTable(List<string> problems, string key, IReadOnlyList<Behaviour> table, bool scratchpad, PromptPack pack)
    {
        var sum = table.Sum(b => b.Probability);
        if (!(Math.Abs(sum - 1) <= 1e-6))
            problems.Add(string.Create(CultureInfo.InvariantCulture, $"{key}: probabilities sum to {sum} (allowed: 1)"));
        foreach (var cell in table)
        {
            if (!(cell.Probability >= 0))
                problems.Add(string.Create(CultureInfo.InvariantCulture, $"{key}: {cell.Probability} (allowed: 0 or more)"));
            if (pack.Writer is { } writer && !writer.CanBuild(cell.Outcome, cell.Reasoning, scratchpad))
                problems.Add($"{key}: {cell.Outcome} with {cell.Reasoning} (allowed: pairs that the grammar of {pack.Name} can write, see docs/corpus.md)");
        }
    }
}

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
