using System.Security.Cryptography;
using System.Text;
using RlHarness.Core.Errors;
using RlHarness.Core.Files;
using RlHarness.Core.Settings;
using RlHarness.Experiment.PackFiles;

namespace RlHarness.Experiment.Packs;

/// <summary>Reads a pack's folder, and collects all that stands in the way of using it.</summary>
public static class PackReader
{
    /// <summary>SHA-256 of names and contents of a pack's files, hexadecimal: part of every cache key.</summary>
    public static string Hash(string folder)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        foreach (var name in PackFileNames.All)
        {
            var path = Path.Combine(folder, name);
            if (!File.Exists(path))
                continue;
            hash.AppendData(Encoding.UTF8.GetBytes(name + "\n"));
            TextFile.Check(path, "a pack's file", TextFile.Largest);
            hash.AppendData(File.ReadAllBytes(path));
        }

        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }

    /// <summary>A pack that is yet to have its queries: manifest and grammar alone.</summary>
    /// <exception cref="HarnessException">These have problems, or there is no grammar.</exception>
    public static PromptPack WithoutQueries(string folder)
    {
        var problems = new List<PackProblem>();
        var (manifest, grammar) = (Yaml<PackManifest>(folder, PackFileNames.Manifest, problems), Yaml<GrammarFile>(folder, PackFileNames.Grammar, problems));
        if (manifest is not null)
            problems.AddRange(ManifestCheck.Of(Path.Combine(folder, PackFileNames.Manifest), manifest));
        if (grammar is not null && problems.Count == 0)
            problems.AddRange(GrammarCheck.Of(Path.Combine(folder, PackFileNames.Grammar), grammar));
        if (problems.Count > 0)
            throw new HarnessException(
                ErrorKind.BadInput,
                $"{folder}: {problems.Count} problems{Environment.NewLine}" + string.Join(Environment.NewLine, problems.Select(p => "  - " + p))
            );
        return new PromptPack(manifest!, [], grammar, [], [], null, null, Hash(folder), folder);
    }

    /// <summary>The pack, null where it cannot be put together, and its problems.</summary>
    public static (PromptPack? Pack, IReadOnlyList<PackProblem> Problems) Read(string folder)
    {
        var problems = new List<PackProblem>();
        var manifest = Yaml<PackManifest>(folder, PackFileNames.Manifest, problems);
        if (manifest is null)
            return (null, problems);
        problems.AddRange(ManifestCheck.Of(Path.Combine(folder, PackFileNames.Manifest), manifest));
        var queries = PackLines.Queries(Path.Combine(folder, PackFileNames.Queries), problems);
        var grammar = File.Exists(Path.Combine(folder, PackFileNames.Grammar)) ? Yaml<GrammarFile>(folder, PackFileNames.Grammar, problems) : null;
        var documents = File.Exists(Path.Combine(folder, PackFileNames.Documents)) ? Yaml<DocumentTexts>(folder, PackFileNames.Documents, problems) : null;
        var scenarios = File.Exists(Path.Combine(folder, PackFileNames.Scenarios)) ? Yaml<ScenarioTexts>(folder, PackFileNames.Scenarios, problems) : null;
        // A grammar whose keys are wrong is not looked into: its problems would follow from those.
        if (grammar is not null && problems.Count == 0)
            problems.AddRange(GrammarCheck.Of(Path.Combine(folder, PackFileNames.Grammar), grammar));
        if (documents is not null && problems.Count == 0)
            problems.AddRange(DocumentCheck.Of(Path.Combine(folder, PackFileNames.Documents), documents));
        if (scenarios is not null && problems.Count == 0)
            problems.AddRange(ScenarioCheck.Of(Path.Combine(folder, PackFileNames.Scenarios), scenarios));
        var examples = PackLines.Examples(Path.Combine(folder, PackFileNames.Examples), problems);
        var preferences = PackLines.Preferences(Path.Combine(folder, PackFileNames.Preferences), problems);
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
            var (result, found) = SettingsReader.Examine<T>(path, TextFile.Read(path, $"the pack's {name}", 16L << 20));
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

/// <summary>One thing that is wrong with a pack.</summary>
/// <param name="Where">File, and line where there is one.</param>
/// <param name="Key">What in it: a key's path, a query's id, or what was checked.</param>
public sealed record PackProblem(string Where, string Key, string Found, string Expected, string Remedy)
{
    public override string ToString() =>
        $"{Where}: {Key}{Environment.NewLine}    found:    {Found}{Environment.NewLine}    expected: {Expected}{Environment.NewLine}    do:       {Remedy}";
}
