using RlHarness.Core.Settings;
using RlHarness.Experiment.Corpora;
using RlHarness.Experiment.Transcripts;

namespace RlHarness.Recipes.Settings;

/// <summary>One cell of a behaviour table.</summary>
public sealed record BehaviourSettings
{
    public Outcome Outcome { get; init; }

    public ReasoningKind Reasoning { get; init; }

    [Allowed(0, 1)]
    public double Probability { get; init; }

    /// <summary>Null for an empty table: then the built-in one holds.</summary>
    internal static IReadOnlyList<Behaviour>? Table(IReadOnlyList<BehaviourSettings> cells) =>
        cells.Count == 0 ? null : [.. cells.Select(c => new Behaviour(c.Outcome, c.Reasoning, c.Probability))];
}
