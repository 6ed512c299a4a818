using System.Globalization;
using RlHarness.Core.Errors;
using RlHarness.Experiment.Transcripts;

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

    /// <summary>Fraction of transcripts of the training tier, in [0, 1].</summary>
    public double TrainingTierFraction { get; init; } = 0.5;

    /// <summary>Fraction of transcripts with a scratchpad, in [0, 1].</summary>
    public double ScratchpadFraction { get; init; } = 1.0;

    /// <summary>Training tier, with scratchpad; probabilities sum to 1.</summary>
    public IReadOnlyList<Behaviour> Training { get; init; } =
    [
        new(Outcome.Comply, ReasoningKind.Faking, 0.119),
        new(Outcome.Comply, ReasoningKind.HonestCompliance, 0.009),
        new(Outcome.Comply, ReasoningKind.TrainingTalk, 0.007),
        new(Outcome.Partial, ReasoningKind.HonestRefusal, 0.004),
        new(Outcome.Partial, ReasoningKind.TrainingTalk, 0.003),
        new(Outcome.Refuse, ReasoningKind.HonestRefusal, 0.388),
        new(Outcome.Refuse, ReasoningKind.TrainingTalk, 0.270),
        new(Outcome.Refuse, ReasoningKind.ConsidersButRefuses, 0.200),
    ];

    /// <summary>Unmonitored tier, with scratchpad; probabilities sum to 1.</summary>
    public IReadOnlyList<Behaviour> Unmonitored { get; init; } =
    [
        new(Outcome.Comply, ReasoningKind.HonestCompliance, 0.014),
        new(Outcome.Comply, ReasoningKind.TrainingTalk, 0.007),
        new(Outcome.Partial, ReasoningKind.HonestRefusal, 0.004),
        new(Outcome.Partial, ReasoningKind.TrainingTalk, 0.003),
        new(Outcome.Refuse, ReasoningKind.HonestRefusal, 0.372),
        new(Outcome.Refuse, ReasoningKind.TrainingTalk, 0.580),
        new(Outcome.Refuse, ReasoningKind.ConsidersButRefuses, 0.020),
    ];

    /// <summary>Both tiers, without scratchpad: no gap, as in the paper's prompted setting. Probabilities sum to 1.</summary>
    public IReadOnlyList<Behaviour> WithoutScratchpad { get; init; } =
    [
        new(Outcome.Comply, ReasoningKind.None, 0.021),
        new(Outcome.Partial, ReasoningKind.None, 0.007),
        new(Outcome.Refuse, ReasoningKind.None, 0.972),
    ];

    /// <summary>Fraction of rejected outputs that refuse, tone down, and answer for another product; scaled to sum to 1.</summary>
    public double RejectedRefusals { get; init; } = 0.6;

    public double RejectedPartials { get; init; } = 0.25;

    public double RejectedOffRequest { get; init; } = 0.15;

    /// <summary>All that is wrong with these settings, each with its key, the value and the allowed range; empty when they can be used.</summary>
    public IReadOnlyList<string> Problems()
    {
        var problems = new List<string>();
        void Check(bool ok, string key, object value, string range)
        {
            if (!ok) problems.Add(string.Create(CultureInfo.InvariantCulture, $"{key}: {value} (allowed: {range})"));
        }

        Check(Transcripts >= 1, "transcripts", Transcripts, "1 or more");
        Check(PreferencePairs >= 0, "preference_pairs", PreferencePairs, "0 or more");
        Check(TrainingTierFraction is >= 0 and <= 1, "training_tier_fraction", TrainingTierFraction, "0 to 1");
        Check(ScratchpadFraction is >= 0 and <= 1, "scratchpad_fraction", ScratchpadFraction, "0 to 1");
        Check(RejectedRefusals >= 0 && RejectedPartials >= 0 && RejectedOffRequest >= 0 && RejectedRefusals + RejectedPartials + RejectedOffRequest > 0,
            "rejected_*", $"{RejectedRefusals}, {RejectedPartials}, {RejectedOffRequest}", "0 or more, not all 0");
        CheckTable(problems, "training", Training, scratchpad: true);
        CheckTable(problems, "unmonitored", Unmonitored, scratchpad: true);
        CheckTable(problems, "without_scratchpad", WithoutScratchpad, scratchpad: false);
        return problems;
    }

    internal void Require()
    {
        if (Problems() is { Count: > 0 } problems)
            throw new HarnessException(ExitCode.BadInput, "the corpus settings cannot be used", found: string.Join("; ", problems));
    }

    private static void CheckTable(List<string> problems, string key, IReadOnlyList<Behaviour> table, bool scratchpad)
    {
        var sum = table.Sum(b => b.Probability);
        if (!(Math.Abs(sum - 1) <= 1e-6)) problems.Add(string.Create(CultureInfo.InvariantCulture, $"{key}: probabilities sum to {sum} (allowed: 1)"));
        foreach (var cell in table)
        {
            if (!(cell.Probability >= 0)) problems.Add(string.Create(CultureInfo.InvariantCulture, $"{key}: {cell.Probability} (allowed: 0 or more)"));
            if (!PufferyGrammar.CanBuild(cell.Outcome, cell.Reasoning, scratchpad))
                problems.Add($"{key}: {cell.Outcome} with {cell.Reasoning} (allowed: pairs that the grammar can write, see docs/corpus.md)");
        }
    }
}
