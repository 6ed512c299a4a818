using RlHarness.Experiment.PackFiles;
using RlHarness.Experiment.Packs;

namespace RlHarness.Experiment.Tests.Packs;

[Trait("kind", "contract")]
public sealed class MutatedPackTests : IDisposable
{
    private readonly DirectoryInfo _root = Directory.CreateTempSubdirectory("rlharness-pack-");

    public void Dispose() => _root.Delete(recursive: true);

    [Theory]
    [InlineData("pack.yaml")]
    [InlineData("grammar.yaml")]
    [InlineData("documents.yaml")]
    [InlineData("scenarios.yaml")]
    [InlineData("queries.jsonl")]
    [InlineData("examples.jsonl")]
    [InlineData("preferences.jsonl")]
    public void A_damaged_pack_is_loaded_or_refused_in_words(string damaged)
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
        Mutations.AreReadOrRefused(File.ReadAllBytes(file), 300, bytes =>
        {
            File.WriteAllBytes(file, bytes);
            PackLibrary.Load(_root.FullName);
        });
    }
}
