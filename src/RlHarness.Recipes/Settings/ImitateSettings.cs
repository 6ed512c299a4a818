using RlHarness.Core.Settings;

namespace RlHarness.Recipes.Settings;

/// <summary>Supervised tuning on the corpus' transcripts: loss on the assistant's tokens only.</summary>
public sealed record ImitateSettings : ISupervisedSettings
{
    [Allowed(0.01, 1000)]
    public double Epochs { get; init; } = 1;

    [Allowed(1, 100000)]
    [Meaning("Transcripts a step.")]
    public int BatchSize { get; init; } = 32;

    [Allowed(16, 10000000)]
    [Meaning("Tokens of a micro-batch: memory, not the result, depends on it.")]
    public int MicroBatchTokens { get; init; } = 4096;

    [Allowed(0, 0.5)]
    public double ValidationFraction { get; init; } = 0.05;

    public OptimizerSettings Optimizer { get; init; } = new();

    [Meaning("Null tunes all weights; an adapter is merged at the end of the stage.")]
    public AdapterSettings? Adapter { get; init; }
}
