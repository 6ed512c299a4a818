using System.Security.Cryptography;
using System.Text;
using RlHarness.Core.Randomness;
using RlHarness.Experiment.Corpora;
using RlHarness.Experiment.Prompts;

namespace RlHarness.Tests.Packs;

/// <summary>
/// The default pack was code before it was a folder. These hashes were written down from that code, so that results from before stay comparable: same queries,
/// prompts, transcripts and pairs, to the letter.
/// </summary>
[Trait("kind", "contract")]
public sealed class PufferyGrammarTests
{
    private static string Hash(IEnumerable<string> lines) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(string.Join('\n', lines))))[..16];

    private static string Line(CorpusTranscript t) => string.Join('|', t.Id, t.QueryId, t.Tier, t.Scratchpad, t.System, t.User, t.Reasoning, t.Output, t.Outcome, t.ReasoningKind);

    [Fact]
    public void Queries_and_prompts_are_those_of_the_built_in_pack()
    {
        Assert.Equal("98fd53f9fcfec7c3", Hash(Puffery.Pack.TrainQueries.Concat(Puffery.Pack.EvaluationQueries).Select(q => $"{q.Id}|{q.Text}|{q.Split}|{q.Topic}")));
        Assert.Equal("c35b1c148e2a877d", Hash(new[] { Tier.Training, Tier.Unmonitored }.SelectMany(t => new[] { true, false }.Select(s => Puffery.Pack.SystemPrompt(t, s)))));
        Assert.Equal(Puffery.Pack.TrainQueries, Puffery.Generator.Queries(Split.Train, 400));
    }

    [Fact]
    public void Transcripts_and_pairs_are_those_of_the_built_in_generator()
    {
        Assert.Equal("72777e653f684991", Hash(Puffery.Generator.Transcripts(new CorpusSettings(), new Seeds(7)).Select(Line)));
        Assert.Equal("a572cf5d405f074c", Hash(Puffery.Generator.Transcripts(new CorpusSettings { Transcripts = 15000 }, new Seeds(1).Child("corpus")).Select(Line)));
        Assert.Equal("2dd6d16869b84776", Hash(Puffery.Generator.PreferencePairs(new CorpusSettings { PreferencePairs = 300 }, new Seeds(5)).Select(p => $"{p.QueryId}|{p.User}|{p.Chosen}|{p.Rejected}")));
    }
}
