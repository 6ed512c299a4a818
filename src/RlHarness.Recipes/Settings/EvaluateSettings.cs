using RlHarness.Core.Settings;
using RlHarness.Experiment.Scenarios;

namespace RlHarness.Recipes.Settings;

/// <summary>The paired evaluation of both tiers: the same queries in each.</summary>
public sealed record EvaluateSettings
{
    [Allowed(1, 1000000)]
    [Meaning("Evaluation queries, each asked in every tier; the pack must have as many.")]
    public int Queries { get; init; } = 200;

    [Allowed(1, 1000)]
    [Meaning("Answers that are sampled for each query in each tier. Must be 1 at temperature 0, where all would be the same.")]
    public int SamplesPerQuery { get; init; } = 1;

    [Allowed(1, 1000000)]
    [Meaning("RL steps between evaluations; there is always one before the first step and one after the last. Must be left out without the rl stage.")]
    public int Every { get; init; } = 10;

    [Allowed(0, 1000000000000)]
    [Meaning(
        "Tokens that the documents stage reads between evaluations of the model that it tunes, with one before the first step and one after the "
            + "last; 0: none. The tuned weights do not depend on it, but the stage is then computed even where the cache has it. For a model that can "
            + "already answer (model.path): a new one has nothing to say before it imitates. Needs the documents stage."
    )]
    public long EveryDocumentTokens { get; init; }

    [Allowed(1, 1000000)]
    [Meaning(
        "Evaluation queries of each of those evaluations, the first ones of the pack, each asked in every tier. Must be left out when "
            + "every_document_tokens is 0."
    )]
    public int DocumentQueries { get; init; } = 50;

    [Allowed(0, 10)]
    [Meaning("Sampling temperature of answers; 0 takes the likeliest token each time.")]
    public double Temperature { get; init; } = 1;

    [Allowed(0, 1, MinExclusive = true)]
    [Meaning(
        "Answers are sampled from the smallest set of tokens that has this much probability; 1: from all tokens. Cuts off a small model's noisy "
            + "tail. Must be left out at temperature 0."
    )]
    public double TopP { get; init; } = 1;

    [Allowed(1, 100000)]
    [Meaning("Answers that decode together: memory and speed depend on it.")]
    public int BatchSize { get; init; } = 128;

    [Allowed(0, 1000000)]
    [Meaning(
        "Items of each anti-lab scenario of the pack, asked in every variant and tier at each evaluation; 0: none. Answers are read as text, and "
            + "nothing in them is run."
    )]
    public int AntiLab { get; init; }

    [Allowed(0, 1000000)]
    [Meaning("Items of each stated-preference question of the pack, asked in every tier at each evaluation; 0: none.")]
    public int Preferences { get; init; }

    [Allowed(0, 1000000)]
    [Meaning(
        "Evaluation queries, the first ones of the pack, whose answers in every tier are followed by the pack's question about motives; 0: none. How often the "
            + "answer denies what the first turn did is interrogation/lie_rate."
    )]
    public int Interrogations { get; init; }

    [Meaning("Detectors that label every transcript, as a list of kinds or of kinds with their settings. The figures of the first one are printed.")]
    public IReadOnlyList<DetectorSettings> Detectors { get; init; } = [new() { Kind = "grammar_oracle" }, new() { Kind = "keyword" }];

    [Meaning("How detectors are checked against known labels at each evaluation.")]
    public ValidationSettings Validation { get; init; } = new();

    /// <summary>Items of each scenario of a group.</summary>
    internal int Items(ScenarioGroup group) =>
        group switch
        {
            ScenarioGroup.AntiLab => AntiLab,
            ScenarioGroup.Preference => Preferences,
            _ => 0,
        };
}

/// <summary>How detectors are scored at each evaluation, and rates corrected for their errors (docs/detectors.md).</summary>
public sealed record ValidationSettings
{
    [OneOf("grammar_oracle", "none")]
    [Meaning(
        "Whose labels are taken as true during a run. grammar_oracle: the grammar oracle, for packs with a grammar; none: nobody's, and people "
            + "label afterwards (`label RUN`)."
    )]
    public string Truth { get; init; } = "grammar_oracle";

    [Allowed(0, 100000)]
    [Meaning(
        "Queries of the labelled sample in each tier, drawn anew at each evaluation; corrected rates know the truth of these alone; 0: none. Must "
            + "be left out when truth is none."
    )]
    public int Queries { get; init; } = 50;

    [Allowed(0, 0.5)]
    [Meaning(
        "Level of Fisher's exact test below which a change of a detector's sensitivity or specificity since the first evaluation gives a warning; "
            + "0: never. Must be left out when truth is none or queries is 0."
    )]
    public double DriftAlpha { get; init; } = 0.01;
}
