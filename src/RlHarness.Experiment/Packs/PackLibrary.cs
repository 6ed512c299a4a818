using System.Collections.Concurrent;
using RlHarness.Core.Errors;
using RlHarness.Experiment.PackFiles;

namespace RlHarness.Experiment.Packs;

/// <summary>Finds packs by name or path, and loads them.</summary>
public static class PackLibrary
{
    public const string PacksVariable = "RLHARNESS_PACKS";
    private static readonly ConcurrentDictionary<string, PromptPack> Loaded = new(StringComparer.Ordinal);

    /// <summary>Folders that hold packs by name: the user's, the working folder's, and the program's own.</summary>
    public static IReadOnlyList<string> Roots =>
        [
            .. new[] { Environment.GetEnvironmentVariable(PacksVariable) ?? "", "packs", Path.Combine(AppContext.BaseDirectory, "packs") }.Where(
                Directory.Exists
            ),
        ];

    /// <summary>The folder of a pack.</summary>
    /// <exception cref="HarnessException">There is none; the message lists where it was looked for.</exception>
    public static string Find(string nameOrPath)
    {
        ArgumentNullException.ThrowIfNull(nameOrPath);
        var places = Roots.Select(r => Path.Combine(r, nameOrPath)).Prepend(nameOrPath).Distinct().ToArray();
        return places.FirstOrDefault(p => File.Exists(Path.Combine(p, PackFileNames.Manifest)))
            ?? throw new HarnessException(
                ErrorKind.BadInput,
                $"prompt pack {nameOrPath} is not there",
                $"no {PackFileNames.Manifest} in {string.Join(", ", places)}",
                $"one of {string.Join(", ", Names())}, or the path of a pack's folder",
                $"set {PacksVariable} to the folder that holds your packs; docs/packs.md shows how to write one"
            );
    }

    /// <summary>Loads a pack; what is read once is kept as long as its files stay the same.</summary>
    /// <exception cref="HarnessException">There is none, or it has problems, which are all listed.</exception>
    public static PromptPack Load(string nameOrPath)
    {
        var folder = Find(nameOrPath);
        var key = Path.GetFullPath(folder) + ":" + PackReader.Hash(folder);
        if (Loaded.TryGetValue(key, out var known))
            return known;
        var (pack, problems) = PackReader.Read(folder);
        if (problems.Count > 0)
            throw new HarnessException(
                ErrorKind.BadInput,
                $"{folder}: {problems.Count} problem{(problems.Count == 1 ? "" : "s")} in this prompt pack{Environment.NewLine}"
                    + string.Join(Environment.NewLine, problems.Select(p => "  - " + p)),
                remedy: $"correct them all; rlharness pack check {nameOrPath} checks more"
            );
        return Loaded.GetOrAdd(key, pack!);
    }

    /// <summary>Names of all packs that can be found, in order; the first of a name is the one that is used.</summary>
    public static IReadOnlyList<string> Names() =>
        [
            .. Roots
                .SelectMany(r => Directory.EnumerateDirectories(r))
                .Where(d => File.Exists(Path.Combine(d, PackFileNames.Manifest)))
                .Select(d => Path.GetFileName(d))
                .Distinct(StringComparer.Ordinal)
                .Order(StringComparer.Ordinal),
        ];
}
