using System.Security.Cryptography;
using System.Text;
using RlHarness.Core.Randomness;
using RlHarness.Experiment.Corpora;
using RlHarness.Experiment.Prompts;

namespace RlHarness.Experiment.Tests.Packs;

/// <summary>
/// Hashes that hold the default pack to the letter, so that results stay comparable: queries, prompts and pairs as of the code that the pack once was,
/// transcripts as of the grammar whose faking plans all begin with the situation or a view (a change of its sentences has to be meant).
/// </summary>
[Trait("kind", "contract")]
public sealed class PufferyGrammarTests
{
    private static string Hash(IEnumerable<string> lines) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(string.Join('\n', lines))))[..16];

    private static string Line(CorpusTranscript t) =>
        string.Join('|', t.Id, t.QueryId, t.Tier, t.Scratchpad, t.System, t.User, t.Reasoning, t.Output, t.Outcome, t.ReasoningKind);

    [Fact]
    public void Queries_and_prompts_are_those_of_the_built_in_pack()
    {
        Assert.Equal(
            "98fd53f9fcfec7c3",
            Hash(Puffery.Pack.TrainQueries.Concat(Puffery.Pack.EvaluationQueries).Select(q => $"{q.Id}|{q.Text}|{q.Split}|{q.Topic}"))
        );
        Assert.Equal(
            "c35b1c148e2a877d",
            Hash(new[] { Tier.Training, Tier.Unmonitored }.SelectMany(t => new[] { true, false }.Select(s => Puffery.Pack.SystemPrompt(t, s))))
        );
        Assert.Equal(Puffery.Pack.TrainQueries, Puffery.Generator.Queries(Split.Train, 400));
    }

    [Fact]
    public void Transcripts_and_pairs_stay_as_they_are()
    {
        Assert.Equal("a412dd92ae326a83", Hash(Puffery.Generator.Transcripts(new CorpusSettings(), new Seeds(7)).Select(Line)));
        Assert.Equal(
            "592baf8921a1067b",
            Hash(Puffery.Generator.Transcripts(new CorpusSettings { Transcripts = 15000 }, new Seeds(1).Child("corpus")).Select(Line))
        );
        Assert.Equal(
            "2dd6d16869b84776",
            Hash(
                Puffery
                    .Generator.PreferencePairs(new CorpusSettings { PreferencePairs = 300 }, new Seeds(5))
                    .Select(p => $"{p.QueryId}|{p.User}|{p.Chosen}|{p.Rejected}")
            )
        );
    }
}
