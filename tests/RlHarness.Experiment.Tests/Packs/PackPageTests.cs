using System.Text.RegularExpressions;
using RlHarness.Experiment.Corpora;
using RlHarness.Experiment.PackChecks;
using RlHarness.Experiment.PackFiles;
using RlHarness.Experiment.Packs;
using RlHarness.Experiment.Prompts;

namespace RlHarness.Experiment.Tests.Packs;

/// <summary>docs/packs.md shows a whole pack; it is built from the page and checked.</summary>
[Trait("kind", "contract")]
public sealed partial class PackPageTests : IDisposable
{
    private readonly DirectoryInfo _root = Directory.CreateTempSubdirectory("rlharness-page-");

    public void Dispose() => _root.Delete(recursive: true);

    [Fact]
    public void The_pack_on_the_page_has_no_problem()
    {
        var blocks = Block().Matches(File.ReadAllText(Repository.At("docs", "packs.md"))).Select(m => m.Groups[1].Value).ToArray();
        Assert.Equal(3, blocks.Length);
        File.WriteAllText(Path.Combine(_root.FullName, PackFileNames.Manifest), blocks[0]);
        File.WriteAllText(Path.Combine(_root.FullName, PackFileNames.Grammar), blocks[1]);
        File.WriteAllText(Path.Combine(_root.FullName, PackFileNames.Scenarios), blocks[2]);
        var generator = new CorpusGenerator(PackReader.WithoutQueries(_root.FullName));
        File.WriteAllLines(
            Path.Combine(_root.FullName, PackFileNames.Queries),
            new[] { Split.Train, Split.Evaluation }
                .SelectMany(s => generator.Queries(s, 60))
                .Select(q => $"{{\"id\": \"{q.Id}\", \"text\": \"{q.Text}\", \"split\": \"{q.Split.ToString().ToLowerInvariant()}\"}}")
        );
        var check = PackCheck.Of(_root.FullName, queries: 60);
        Assert.True(check.Problems.Count == 0, string.Join(Environment.NewLine, check.Problems));
    }

    [GeneratedRegex("```yaml\\n(.*?)```", RegexOptions.Singleline)]
    private static partial Regex Block();
}
