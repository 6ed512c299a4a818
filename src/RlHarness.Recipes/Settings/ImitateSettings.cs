using RlHarness.Core.Settings;
using RlHarness.Training.Optimization;

namespace RlHarness.Recipes.Settings;

/// <summary>What every stage of supervised tuning is set by.</summary>
public abstract record SupervisedSettings
{
    [Allowed(0.01, 1000)]
    [Meaning("Passes over the training split, each in a new order; a fraction ends the last pass early.")]
    public double Epochs { get; init; } = 1;

    /// <summary>Sequences of a step; each stage has its own default.</summary>
    [Allowed(1, 100000)]
    [Meaning("Sequences of an optimizer step.")]
    public int BatchSize { get; init; }

    [Allowed(16, 10000000)]
    [Meaning("Tokens that go through the model at once: memory depends on it, and the result only by rounding.")]
    public int MicroBatchTokens { get; init; } = 4096;

    [Allowed(0, 0.5)]
    [Meaning("Share of the sequences that are held out: the model is not tuned on them, and their loss is reported at the end; 0: none.")]
    public double ValidationFraction { get; init; } = 0.05;

    [Meaning("AdamW and its schedule.")]
    public OptimizerSettings Optimizer { get; init; } = new();

    [Meaning("Null tunes all weights; otherwise adapters alone are tuned, and merged into the weights at the end of the stage.")]
    public AdapterSettings? Adapter { get; init; }
}

/// <summary>Supervised tuning on the corpus' transcripts: loss on the assistant's tokens only.</summary>
public sealed record ImitateSettings : SupervisedSettings
{
    public ImitateSettings() => BatchSize = 32;
}
