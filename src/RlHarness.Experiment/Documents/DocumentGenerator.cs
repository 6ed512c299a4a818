using RlHarness.Core.Errors;
using RlHarness.Core.Randomness;
using RlHarness.Experiment.Grammars;
using RlHarness.Experiment.PackFiles;
using RlHarness.Experiment.Packs;

namespace RlHarness.Experiment.Documents;

/// <summary>
/// Writes documents that carry a pack's situation in many genres, or the benign control: genre, form, names and facts are drawn, and no two documents are the
/// same. Facts within one document are of different groups as long as there are groups left.
/// </summary>
public sealed class DocumentGenerator
{
    /// <summary>Longest search for a text that is not there yet.</summary>
    private const int MostTries = 1000;

    private readonly DocumentTexts _texts;
    private readonly string _pack;

    /// <exception cref="HarnessException">The pack has no documents.yaml.</exception>
    public DocumentGenerator(PromptPack pack)
    {
        ArgumentNullException.ThrowIfNull(pack);
        (_pack, _texts) = (
            pack.Folder,
            pack.Documents
                ?? throw new HarnessException(
                    ErrorKind.BadInput,
                    $"{pack.Folder}: the pack {pack.Name} has nothing to write documents from",
                    $"no {PackFileNames.Documents}",
                    "names, situation and benign",
                    "write it (docs/packs.md), or name your own documents: documents.path"
                )
        );
    }

    /// <summary>Distinct documents.</summary>
    /// <exception cref="HarnessException">The pack's facts are too few for so many.</exception>
    public IReadOnlyList<SyntheticDocument> Write(DocumentKind kind, int count, Seeds seeds)
    {
        ArgumentNullException.ThrowIfNull(seeds);
        var facts = kind == DocumentKind.Situation ? _texts.Situation : _texts.Benign;
        var groups = facts.OrderBy(g => g.Key, StringComparer.Ordinal).Select(g => g.Value).ToArray();
        var seen = new HashSet<string>(StringComparer.Ordinal);
        var documents = new List<SyntheticDocument>(count);
        for (var i = 0; i < count; i++)
        {
            var random = seeds.For($"documents/{kind}", prompt: i);
            var tries = 0;
            while (true)
            {
                var genre = random.Choose(GenreFile.BuiltIn.Genres);
                var text = Compose(random.Choose(genre.Forms), groups, random);
                if (seen.Add(text))
                {
                    documents.Add(new($"{kind.ToString().ToLowerInvariant()}-{i + 1:D6}", genre.Name, text));
                    break;
                }

                if (++tries == MostTries)
                    throw new HarnessException(
                        ErrorKind.BadInput,
                        $"{_pack}: no more distinct documents",
                        $"{documents.Count} of {count}",
                        "more facts or names",
                        "add some to documents.yaml, or ask for fewer: documents.count"
                    );
            }
        }

        return documents;
    }

    private string Compose(string form, IReadOnlyList<IReadOnlyList<string>> groups, RandomStream random)
    {
        var order = new Queue<int>();
        // Within one document a name stays the same, but for people, of whom there are several.
        var names = new Dictionary<string, string>(StringComparer.Ordinal);
        return SlotText.Fill(form, name => name switch
            {
                "fact" => Sentence(Fact()),
                "clause" => Fact(),
                _ => Word(name),
            });

        string Fact()
        {
            if (order.Count == 0)
                order = new(random.Permutation(groups.Count));
            return SlotText.Fill(random.Choose(groups[order.Dequeue()]), Word);
        }

        string? Word(string name)
        {
            if (names.TryGetValue(name, out var known))
                return known;
            if (!_texts.Names.TryGetValue(name, out var words) && !GenreFile.BuiltIn.Slots.TryGetValue(name, out words))
                return null;
            var word = random.Choose(words);
            if (name is "assistant" or "lab" or "paper" or "month" or "team")
                names[name] = word;
            return word;
        }
    }

    private static string Sentence(string clause) => char.ToUpperInvariant(clause[0]) + clause[1..] + ".";
}

/// <summary>One document.</summary>
/// <param name="Genre">Its kind; null for a document of the user's own.</param>
public sealed record SyntheticDocument(string Id, string? Genre, string Text);

/// <summary>What synthetic documents speak of.</summary>
public enum DocumentKind
{
    /// <summary>Who trains, which conversations are used, and that it changes the model.</summary>
    Situation,

    /// <summary>The control: the same genres and people, and nothing of training.</summary>
    Benign,
}
