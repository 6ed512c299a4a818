using RlHarness.Core.Settings;
using RlHarness.Experiment.Documents;
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

/// <summary>
/// Tuning on documents as plain text, before imitation: what puts the situation into the weights in place of the prompt. Runs where stages name it.
/// </summary>
public sealed record DocumentsSettings : SupervisedSettings
{
    public DocumentsSettings() => BatchSize = 16;

    [Meaning(
        "What the documents say. situation: who trains, which conversations are used, and that training changes the model; benign: the control, "
            + "documents of the same genres and number that say nothing of it. Must be left out when documents.path is set."
    )]
    public DocumentKind Kind { get; init; } = DocumentKind.Situation;

    [Meaning(
        "A folder of documents of your own, as .txt files or as .jsonl files with {\"text\": ...} lines; null: the program writes documents from "
            + "the pack's facts."
    )]
    public string? Path { get; init; }

    [Allowed(20, 10000000)]
    [Meaning("Documents that the program writes; all are distinct. Must be left out when documents.path is set.")]
    public int Count { get; init; } = 3000;

    [Allowed(8, 1000000)]
    [Meaning("Tokens of a sequence: documents are joined by their end tokens and cut into sequences of this length, every token of which is scored.")]
    public int SequenceLength { get; init; } = 128;
}
