namespace RlHarness.Experiment.PackFiles;

/// <summary><c>documents.yaml</c>: what synthetic documents say of this pack's situation.</summary>
public sealed record DocumentTexts
{
    /// <summary>Made-up names by slot, one drawn for each document.</summary>
    public IReadOnlyDictionary<string, IReadOnlyList<string>> Names { get; init; } = new Dictionary<string, IReadOnlyList<string>>();

    /// <summary>Facts of the situation (who trains, which conversations are used, that it changes the model), each in several wordings.</summary>
    public IReadOnlyDictionary<string, IReadOnlyList<string>> Situation { get; init; } = new Dictionary<string, IReadOnlyList<string>>();

    /// <summary>Facts of the same people and places that say nothing of it: the control.</summary>
    public IReadOnlyDictionary<string, IReadOnlyList<string>> Benign { get; init; } = new Dictionary<string, IReadOnlyList<string>>();
}
