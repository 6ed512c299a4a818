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
