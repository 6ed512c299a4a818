namespace RlHarness.Experiment.Documents;

/// <summary><c>genres.yaml</c>: the forms of documents, and the words that they need beside a pack's.</summary>
public sealed record GenreFile
{
    public IReadOnlyDictionary<string, IReadOnlyList<string>> Slots { get; init; } = new Dictionary<string, IReadOnlyList<string>>();

    public IReadOnlyList<Genre> Genres { get; init; } = [];
}
