using System.Text.RegularExpressions;
using RlHarness.Core.Randomness;
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
        // As many transcripts as the page's example of a run asks for, each of another request.
        var corpus = new CorpusGenerator(PackReader.Read(_root.FullName).Pack!).Transcripts(new CorpusSettings { Transcripts = 3000 }, new Seeds(1));
        Assert.Equal(3000, corpus.Select(t => t.User).Distinct(StringComparer.Ordinal).Count());
    }

    [Fact]
    public void Requests_are_counted_and_too_few_of_them_are_a_problem()
    {
        Assert.Contains(PackCheck.Of(Puffery.Pack.Folder, queries: 60).Facts, f => f.StartsWith("requests: 50,000 or more", StringComparison.Ordinal));
        var frames = Block().Matches(File.ReadAllText(Repository.At("docs", "packs.md"))).Select(m => m.Groups[1].Value).ToArray();
        File.WriteAllText(Path.Combine(_root.FullName, PackFileNames.Manifest), frames[0]);
        File.WriteAllText(
            Path.Combine(_root.FullName, PackFileNames.Grammar),
            frames[1].Replace(", our mayor, a clerk, my boss, a pilot", "", StringComparison.Ordinal)
        );
        // 12 · 8 · 2 · 2 · 8 = 3072 requests, of which about a fifth are the evaluation's.
        var pack = PackReader.WithoutQueries(_root.FullName);
        Assert.InRange(pack.TrainRequests(50_000), 2200, 2700);
        Assert.Equal(100, pack.TrainRequests(100));
    }

    [GeneratedRegex("```yaml\\n(.*?)```", RegexOptions.Singleline)]
    private static partial Regex Block();
}
