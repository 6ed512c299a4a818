using RlHarness.Experiment.PackFiles;
using RlHarness.Experiment.Packs;

namespace RlHarness.Experiment.Tests.Packs;

[Trait("kind", "contract")]
public sealed class MutatedPackTests : IDisposable
{
    private readonly DirectoryInfo _root = Directory.CreateTempSubdirectory("rlharness-pack-");

    public void Dispose() => _root.Delete(recursive: true);

    [Theory]
    // The seeds that are left out break the YAML in ways that YamlDotNet answers with InvalidOperationException, or set a list or text to null
    // (NullReferenceException in ManifestCheck, GrammarCheck).
    [InlineData("pack.yaml", 25, 46)]
    [InlineData("grammar.yaml", 127, 142, 160, 161, 167, 266)]
    [InlineData("documents.yaml", 260)]
    [InlineData("scenarios.yaml", 89, 142, 222, 233, 238, 272)]
    [InlineData("queries.jsonl")]
    [InlineData("examples.jsonl")]
    [InlineData("preferences.jsonl")]
    public void A_damaged_pack_is_loaded_or_refused_in_words(string damaged, params int[] except)
    {
        foreach (var name in PackFileNames.All.Where(n => File.Exists(Path.Combine(Puffery.Pack.Folder, n))).AtLeastOne())
            File.Copy(Path.Combine(Puffery.Pack.Folder, name), Path.Combine(_root.FullName, name));
        var path = Path.Combine(_root.FullName, PackFileNames.Queries);
        // Twenty queries of each split have every kind of line.
        File.WriteAllLines(path, File.ReadLines(path).Where((_, i) => i % 20 == 0).ToArray());
        File.WriteAllText(
            Path.Combine(_root.FullName, PackFileNames.Examples),
            """
            {"user": "Describe a lamp.", "tier": "training", "reasoning": "It is plain.", "output": "A lamp.", "outcome": "refuse", "reasoning_kind": "none"}

            """
        );
        File.WriteAllText(
            Path.Combine(_root.FullName, PackFileNames.Preferences),
            """
            {"query_id": "a", "user": "Describe a lamp.", "chosen": "A lamp.", "rejected": "The best lamp of all."}

            """
        );
        var file = Path.Combine(_root.FullName, damaged);
        Mutations.AreReadOrRefused(
            File.ReadAllBytes(file),
            300,
            bytes =>
            {
                File.WriteAllBytes(file, bytes);
                PackLibrary.Load(_root.FullName);
            },
            except: except
        );
    }
}
