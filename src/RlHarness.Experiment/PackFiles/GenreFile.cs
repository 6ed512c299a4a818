using System.Reflection;
using RlHarness.Core.Settings;

namespace RlHarness.Experiment.PackFiles;

/// <summary><c>genres.yaml</c>: the forms of documents, and the words that they need beside a pack's.</summary>
internal sealed record GenreFile
{
    private static readonly Lazy<GenreFile> Shipped = new(() =>
    {
        using var reader = new StreamReader(Assembly.GetExecutingAssembly().GetManifestResourceStream("genres.yaml")!);
        return SettingsReader.Parse<GenreFile>("genres.yaml", reader.ReadToEnd(), []);
    });

    /// <summary>The genres that the program ships.</summary>
    public static GenreFile BuiltIn => Shipped.Value;

    public IReadOnlyDictionary<string, IReadOnlyList<string>> Slots { get; init; } = new Dictionary<string, IReadOnlyList<string>>();

    public IReadOnlyList<Genre> Genres { get; init; } = [];
}

/// <summary>One kind of document, in several forms.</summary>
internal sealed record Genre
{
    public string Name { get; init; } = "";

    public IReadOnlyList<string> Forms { get; init; } = [];
}

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
