using RlHarness.Core.Settings;
using RlHarness.Experiment.Documents;

namespace RlHarness.Recipes.Settings;

/// <summary>
/// Tuning on documents as plain text, before imitation: what puts the situation into the weights in place of the prompt. Runs where stages name it.
/// </summary>
public sealed record DocumentsSettings : ISupervisedSettings
{
    [Meaning("situation: who trains, which conversations are used, that it changes the model; benign: the control, of the same genres and size.")]
    public DocumentKind Kind { get; init; } = DocumentKind.Situation;

    [Meaning(
        "A folder of .txt files, or .jsonl files with {\"text\": …} lines, in place of what the program writes. Null: it writes them from the pack's facts."
    )]
    public string? Path { get; init; }

    [Allowed(20, 10000000)]
    [Meaning("Documents that are written; all are distinct.")]
    public int Count { get; init; } = 3000;

    [Allowed(0.01, 1000)]
    public double Epochs { get; init; } = 1;

    [Allowed(8, 1000000)]
    [Meaning("Tokens of a sequence: documents are joined by their end tokens and cut into sequences of this length, every token of which is scored.")]
    public int SequenceLength { get; init; } = 128;

    [Allowed(1, 100000)]
    [Meaning("Sequences a step.")]
    public int BatchSize { get; init; } = 16;

    [Allowed(16, 10000000)]
    [Meaning("Tokens of a micro-batch: memory, not the result, depends on it.")]
    public int MicroBatchTokens { get; init; } = 4096;

    [Allowed(0, 0.5)]
    public double ValidationFraction { get; init; } = 0.05;

    public OptimizerSettings Optimizer { get; init; } = new();

    [Meaning("Null tunes all weights; an adapter is merged at the end of the stage.")]
    public AdapterSettings? Adapter { get; init; }
}
