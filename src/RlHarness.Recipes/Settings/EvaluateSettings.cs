using RlHarness.Core.Settings;

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

    [Allowed(0, 10)]
    public double Temperature { get; init; } = 1;

    [Allowed(0, 1, MinExclusive = true)]
    [Meaning("Answers are drawn from the smallest set of tokens with this much probability; 1: from all. A small model's tail is noise.")]
    public double TopP { get; init; } = 1;

    [Allowed(1, 100000)]
    public int BatchSize { get; init; } = 128;

    [Meaning("Detectors that label every transcript: kinds, or a kind and its settings each. The first one's figures are printed.")]
    public IReadOnlyList<DetectorSettings> Detectors { get; init; } = [new() { Kind = "grammar_oracle" }, new() { Kind = "keyword" }];

    public ValidationSettings Validation { get; init; } = new();
}
