using RlHarness.Core.Settings;
using RlHarness.Experiment.Documents;

namespace RlHarness.Recipes.Settings;

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
