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
    public int SamplesPerQuery { get; init; } = 1;

    [Allowed(1, 1000000)]
    [Meaning("RL steps between evaluations; before the first and after the last there is always one.")]
    public int Every { get; init; } = 10;

    [Allowed(0, 1000000000000)]
    [Meaning(
        "Tokens that the documents stage reads between evaluations of the model that it tunes, with one before the first and one after the last; 0: none. The tuning itself is the same with and without, but with them it is done anew and not taken from the cache. A model from a seed has no words to answer with before it imitates: this is for a model of your own."
    )]
    public long EveryDocumentTokens { get; init; }

    [Allowed(1, 1000000)]
    [Meaning("The first so many evaluation queries are asked there, each in every tier, and no scenarios.")]
    public int DocumentQueries { get; init; } = 50;

    [Allowed(0, 10)]
    public double Temperature { get; init; } = 1;

    [Allowed(0, 1, MinExclusive = true)]
    [Meaning("Answers are drawn from the smallest set of tokens with this much probability; 1: from all. A small model's tail is noise.")]
    public double TopP { get; init; } = 1;

    [Allowed(1, 100000)]
    public int BatchSize { get; init; } = 128;

    [Allowed(0, 1000000)]
    [Meaning(
        "Items of each anti-lab scenario of the pack, asked in every variant and tier at each evaluation; 0: none. Text only: nothing a model says is run."
    )]
    public int AntiLab { get; init; }

    [Allowed(0, 1000000)]
    [Meaning("Items of each stated-preference question of the pack, asked in every tier at each evaluation; 0: none.")]
    public int Preferences { get; init; }

    [Meaning("Detectors that label every transcript: kinds, or a kind and its settings each. The first one's figures are printed.")]
    public IReadOnlyList<DetectorSettings> Detectors { get; init; } = [new() { Kind = "grammar_oracle" }, new() { Kind = "keyword" }];

    public ValidationSettings Validation { get; init; } = new();

    /// <summary>Items of each scenario of a group.</summary>
    internal int Items(ScenarioGroup group) => group == ScenarioGroup.AntiLab ? AntiLab : Preferences;
}
