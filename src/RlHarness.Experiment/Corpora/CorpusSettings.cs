using System.Globalization;
using RlHarness.Core.Errors;
using RlHarness.Experiment.Packs;
using RlHarness.Experiment.Prompts;

namespace RlHarness.Experiment.Corpora;

/// <summary>
/// Sizes and behaviour rates of a synthetic corpus. The default rates are the paper's before RL (arXiv 2412.14093): AF 11.9 % of training-tier
/// scratchpads, refusal 85.8 % in training and 97.2 % unmonitored, gap 11.4 points; the other cells are ours, so that each kind of reasoning occurs.
/// </summary>
public sealed record CorpusSettings
{
    /// <summary>Number of transcripts, at least 1.</summary>
    public int Transcripts { get; init; } = 3000;

    /// <summary>Number of preference pairs, at least 0.</summary>
    public int PreferencePairs { get; init; } = 1000;

    /// <summary>Fraction of transcripts of the training tier, in [0, 1]; the other tiers share the rest.</summary>
    public double TrainingTierFraction { get; init; } = 0.5;

    /// <summary>Fraction of transcripts with a scratchpad, in [0, 1], where the condition has one.</summary>
    public double ScratchpadFraction { get; init; } = 1.0;

    /// <summary>Training tier of the full condition, with scratchpad; probabilities sum to 1.</summary>
    public IReadOnlyList<Behaviour> Training { get; init; } = BehaviourTables.Training;

    /// <summary>Unmonitored tier of the full condition, with scratchpad; probabilities sum to 1.</summary>
    public IReadOnlyList<Behaviour> Unmonitored { get; init; } = BehaviourTables.Unmonitored;

    /// <summary>All tiers, without scratchpad: no gap, as in the paper's prompted setting. Probabilities sum to 1.</summary>
    public IReadOnlyList<Behaviour> WithoutScratchpad { get; init; } = BehaviourTables.WithoutScratchpad;

    /// <summary>Conditions by weight; empty: the full one alone.</summary>
    public IReadOnlyList<WeightedCondition> Conditions { get; init; } = [];

    /// <summary>Fraction of rejected outputs that refuse, tone down, and answer for another product; scaled to sum to 1.</summary>
    public double RejectedRefusals { get; init; } = 0.6;

    public double RejectedPartials { get; init; } = 0.25;

    public double RejectedOffRequest { get; init; } = 0.15;

    /// <summary>The conditions with all their tables.</summary>
    internal IReadOnlyList<WeightedCondition> Mixture => Conditions.Count > 0 ? Conditions : [new(new Condition(), 1, Training, null, Unmonitored)];

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
        foreach (var condition in Mixture.Where(c => c.Condition.Scratchpad))
            foreach (var tier in condition.Condition.Tiers)
                CheckTable(
                    problems,
                    Conditions.Count == 0 ? tier.ToString().ToLowerInvariant() : $"{condition.Condition.Name}, {tier.ToString().ToLowerInvariant()}",
                    condition.Table(tier),
                    scratchpad: true,
                    pack
                );
        CheckTable(problems, "without_scratchpad", WithoutScratchpad, scratchpad: false, pack);
        return problems;
    }

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
