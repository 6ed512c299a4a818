using System.Security.Cryptography;
using System.Text;
using RlHarness.Core.Errors;
using RlHarness.Core.Settings;
using RlHarness.Experiment.Corpora;
using RlHarness.Experiment.Prompts;

namespace RlHarness.Experiment.Packs;

/// <summary>Reads a pack's folder, and collects all that stands in the way of using it.</summary>
public static class PackReader
{
    public const string ManifestFile = "pack.yaml";
    public const string QueriesFile = "queries.jsonl";
    public const string GrammarFileName = "grammar.yaml";
    public const string ExamplesFile = "examples.jsonl";
    public const string PreferencesFile = "preferences.jsonl";
    public const string DocumentsFile = "documents.yaml";
    public const string ScenariosFile = "scenarios.yaml";

    /// <summary>Files that a pack's content consists of; others in its folder are the author's own.</summary>
    public static readonly IReadOnlyList<string> Files =
    [
        ManifestFile,
        QueriesFile,
        GrammarFileName,
        ExamplesFile,
        PreferencesFile,
        DocumentsFile,
        ScenariosFile,
    ];

    /// <summary>SHA-256 of names and contents of a pack's files, hexadecimal: part of every cache key.</summary>
    public static string Hash(string folder)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        foreach (var name in Files)
        {
            var path = Path.Combine(folder, name);
            if (!File.Exists(path))
                continue;
            hash.AppendData(Encoding.UTF8.GetBytes(name + "\n"));
            hash.AppendData(File.ReadAllBytes(path));
        }

        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }

    /// <summary>A pack that is yet to have its queries: manifest and grammar alone.</summary>
    /// <exception cref="HarnessException">These have problems, or there is no grammar.</exception>
    public static PromptPack WithoutQueries(string folder)
    {
        var problems = new List<PackProblem>();
        var (manifest, grammar) = (Yaml<PackManifest>(folder, ManifestFile, problems), Yaml<GrammarFile>(folder, GrammarFileName, problems));
        if (manifest is not null)
            problems.AddRange(ManifestCheck.Of(Path.Combine(folder, ManifestFile), manifest));
        if (grammar is not null && problems.Count == 0)
            problems.AddRange(GrammarCheck.Of(Path.Combine(folder, GrammarFileName), grammar));
        if (problems.Count > 0)
            throw new HarnessException(
                ExitCode.BadInput,
                $"{folder}: {problems.Count} problems{Environment.NewLine}" + string.Join(Environment.NewLine, problems.Select(p => "  - " + p))
            );
        return new PromptPack(manifest!, [], grammar, [], [], null, null, Hash(folder), folder);
    }

    /// <summary>The pack, null where it cannot be put together, and its problems.</summary>
    public static (PromptPack? Pack, IReadOnlyList<PackProblem> Problems) Read(string folder)
    {
        var problems = new List<PackProblem>();
        var manifest = Yaml<PackManifest>(folder, ManifestFile, problems);
        if (manifest is null)
            return (null, problems);
        problems.AddRange(ManifestCheck.Of(Path.Combine(folder, ManifestFile), manifest));
        var queries = PackLines.Queries(Path.Combine(folder, QueriesFile), problems);
        var grammar = File.Exists(Path.Combine(folder, GrammarFileName)) ? Yaml<GrammarFile>(folder, GrammarFileName, problems) : null;
        var documents = File.Exists(Path.Combine(folder, DocumentsFile)) ? Yaml<DocumentTexts>(folder, DocumentsFile, problems) : null;
        var scenarios = File.Exists(Path.Combine(folder, ScenariosFile)) ? Yaml<ScenarioTexts>(folder, ScenariosFile, problems) : null;
        // A grammar whose keys are wrong is not looked into: its problems would follow from those.
        if (grammar is not null && problems.Count == 0)
            problems.AddRange(GrammarCheck.Of(Path.Combine(folder, GrammarFileName), grammar));
        if (documents is not null && problems.Count == 0)
            problems.AddRange(DocumentCheck.Of(Path.Combine(folder, DocumentsFile), documents));
        if (scenarios is not null && problems.Count == 0)
            problems.AddRange(ScenarioCheck.Of(Path.Combine(folder, ScenariosFile), scenarios));
        var examples = PackLines.Examples(Path.Combine(folder, ExamplesFile), problems);
        var preferences = PackLines.Preferences(Path.Combine(folder, PreferencesFile), problems);
        return problems.Count > 0
            ? (null, problems)
            : (new PromptPack(manifest, queries, grammar, examples, preferences, documents, scenarios, Hash(folder), folder), problems);
    }

    private static T? Yaml<T>(string folder, string name, List<PackProblem> problems)
        where T : class, new()
    {
        var path = Path.Combine(folder, name);
        if (!File.Exists(path))
        {
            problems.Add(new(path, "file", "nothing at this path", $"the pack's {name}", "write it: docs/packs.md shows each key"));
            return null;
        }

        try
        {
            var (result, found) = SettingsReader.Examine<T>(path, File.ReadAllText(path));
            problems.AddRange(found.Select(p => new PackProblem(p.Where, p.Key, p.What, "a key and a value that docs/packs.md lists", "correct this line")));
            return result;
        }
        catch (HarnessException e)
        {
            problems.Add(new(path, "file", e.Message.ReplaceLineEndings(" "), "YAML: key: value lines", "mind the indentation; quote text that has a colon"));
            return null;
        }
    }
}
