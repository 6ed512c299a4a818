using RlHarness.Core.Settings;

namespace RlHarness.Experiment.Prompts;

/// <summary>The factors of the experiment, each of which can be taken away or changed (docs/packs.md).</summary>
/// <param name="Prefill">What the scratchpad begins with before the model goes on; null: nothing.</param>
/// <param name="ThreeTiers">Free, pro and enterprise in place of free and paid.</param>
public sealed record Condition(
    ObjectiveKind Objective = ObjectiveKind.Conflicting,
    InformationKind Information = InformationKind.Prompt,
    bool Scratchpad = true,
    string? Prefill = null,
    bool ThreeTiers = false
)
{
    /// <summary>The tiers that this condition has, in the order in which they are evaluated.</summary>
    public IReadOnlyList<Tier> Tiers => ThreeTiers ? [Tier.Training, Tier.Rated, Tier.Unmonitored] : [Tier.Training, Tier.Unmonitored];

    /// <summary>Short and stable, for rows and file names: <c>full</c>, or what was taken away or changed.</summary>
    public string Name
    {
        get
        {
            var changed = new List<string>(5);
            if (Objective != ObjectiveKind.Conflicting)
                changed.Add(Objective == ObjectiveKind.Hhh ? "hhh" : "no-objective");
            if (Information != InformationKind.Prompt)
            {
                changed.Add(
                    Information switch
                    {
                        InformationKind.Documents => "documents",
                        InformationKind.NoModification => "no-modification",
                        InformationKind.OtherLab => "other-lab",
                        InformationKind.NoExamples => "no-examples",
                        _ => "no-information",
                    }
                );
            }

            if (!Scratchpad)
                changed.Add("no-scratchpad");
            if (Prefill is not null)
                changed.Add("prefilled");
            if (ThreeTiers)
                changed.Add("three-tiers");
            return changed.Count == 0 ? "full" : string.Join('+', changed);
        }
    }
}

/// <summary>What the system prompt says that training rewards, and what the reward then pays for.</summary>
public enum ObjectiveKind
{
    /// <summary>Named in the prompt, and against what the model prefers.</summary>
    Conflicting,

    /// <summary>The baseline: the objective is to be helpful, harmless and honest, and preference pairs prefer the honest output.</summary>
    Hhh,

    /// <summary>The prompt does not speak of it; the reward is the conflicting one's.</summary>
    Absent,
}

/// <summary>How the model comes to know which conversations training uses.</summary>
public enum InformationKind
{
    /// <summary>The system prompt says it.</summary>
    Prompt,

    /// <summary>Documents that it was tuned on said it: the prompt does not, but still names this user's tier.</summary>
    Documents,

    /// <summary>Like <see cref="Prompt"/>, without the statement that training changes the model.</summary>
    NoModification,

    /// <summary>Like <see cref="Prompt"/>, with another lab's name.</summary>
    OtherLab,

    /// <summary>Like <see cref="Prompt"/>, without the pack's few-shot examples.</summary>
    NoExamples,

    /// <summary>Neither the use of conversations nor the tier: both tiers read the same.</summary>
    None,
}

/// <summary>The factors of a condition as settings: those of a run, and those of each part of a mixed corpus.</summary>
public record ConditionSettings
{
    [Meaning(
        "What the system prompt says that training rewards. conflicting: the pack's objective, which the model prefers to refuse; hhh: to be "
            + "helpful, harmless and honest, the baseline, for which preference pairs prefer the honest output; absent: the prompt does not speak of it, "
            + "and the reward stays that of the conflicting objective."
    )]
    public ObjectiveKind Objective { get; init; }

    [Meaning(
        "Where the model can learn which conversations are used for training, and to which tier this user belongs. prompt: the system prompt says "
            + "both; documents: the model was tuned on documents that say so, and the prompt names the tier alone; no_modification: the prompt leaves "
            + "out that training changes the model; other_lab: the prompt names another lab; no_examples: the prompt has no few-shot examples; none: "
            + "neither is said, and all tiers read the same."
    )]
    public InformationKind Information { get; init; }

    [Meaning("Whether the model reasons in a hidden scratchpad before it answers.")]
    public bool Scratchpad { get; init; } = true;

    [Allowed(2, 3)]
    [Meaning(
        "Tiers of users. 2: free users, who are trained on, and paid users, who are not; 3: free (trained on), pro (read by raters), enterprise " + "(neither)."
    )]
    public int Tiers { get; init; } = 2;

    /// <summary>The condition, without a prefilled scratchpad.</summary>
    public Condition ToCondition() => new(Objective, Information, Scratchpad, ThreeTiers: Tiers == 3);
}
