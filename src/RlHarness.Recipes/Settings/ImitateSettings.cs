using RlHarness.Core.Settings;
using RlHarness.Training.Optimization;

namespace RlHarness.Recipes.Settings;

/// <summary>What every stage of supervised tuning is set by.</summary>
public abstract record SupervisedSettings
{
    [Allowed(0, 1000)]
    [Meaning("Passes over the training split, each in a new order; a fraction ends the last pass early, and 0 keeps the weights as they are.")]
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

/// <summary>Low-rank adapters (LoRA, Hu et al. 2021) in place of full tuning.</summary>
public sealed record AdapterSettings
{
    [Allowed(1, 4096)]
    [Meaning("Rank of the two matrices whose product is added to a projection.")]
    public int Rank { get; init; } = 16;

    [Allowed(0, 100000, MinExclusive = true)]
    [Meaning("The product is scaled by this divided by the rank.")]
    public double Alpha { get; init; } = 32;

    [Meaning("Projections that get an adapter, by name (q_proj, v_proj, ...), or all-linear for every projection of every layer.")]
    public IReadOnlyList<string> TargetModules { get; init; } = ["all-linear"];
}
