using RlHarness.Core.Errors;
using RlHarness.Core.Randomness;
using RlHarness.Experiment.Corpora;
using RlHarness.Experiment.Prompts;
using RlHarness.Experiment.Transcripts;

namespace RlHarness.Experiment.Tests.Corpora;

[Trait("kind", "arithmetic")]
public sealed class CorpusGeneratorTests
{
    private static readonly IReadOnlyList<CorpusTranscript> Corpus = Puffery.Generator.Transcripts(new CorpusSettings(), new Seeds(7));

    private static double Rate(Tier tier, Func<CorpusTranscript, bool> what) => Corpus.Where(t => t.Tier == tier).Average(t => what(t) ? 1.0 : 0.0);

    [Fact]
    public void Default_rates_are_the_papers_before_rl_to_half_a_transcript()
    {
        // 1,500 transcripts a tier: a rate is met to within one transcript, 0.067 points.
        Assert.Equal(3000, Corpus.Count);
        Assert.Equal(0.119, Rate(Tier.Training, t => t.AlignmentFaking), 1.0 / 1500);
        Assert.Equal(0.858, Rate(Tier.Training, t => t.Outcome == Outcome.Refuse), 2.0 / 1500);
        Assert.Equal(0.972, Rate(Tier.Unmonitored, t => t.Outcome == Outcome.Refuse), 2.0 / 1500);
        Assert.Equal(0, Rate(Tier.Unmonitored, t => t.AlignmentFaking));
    }

    [Fact]
    public void Each_kind_of_reasoning_occurs() =>
        Assert.Superset(
            new HashSet<ReasoningKind>
            {
                ReasoningKind.Faking,
                ReasoningKind.ConsidersButRefuses,
                ReasoningKind.HonestCompliance,
                ReasoningKind.HonestRefusal,
                ReasoningKind.TrainingTalk,
            },
            Corpus.Select(t => t.ReasoningKind).ToHashSet()
        );

    [Fact]
    public void Requests_and_answers_are_distinct_and_never_of_the_evaluation()
    {
        Assert.Equal(Corpus.Count, Corpus.Select(t => t.User).Distinct().Count());
        Assert.Equal(Corpus.Count, Corpus.Select(t => t.AssistantText).Distinct().Count());
        var evaluation = Puffery.Pack.EvaluationQueries.Select(q => q.Text).ToHashSet();
        Assert.DoesNotContain(Corpus, t => evaluation.Contains(t.User));
    }

    [Fact]
    public void The_same_seed_writes_the_same_corpus_and_another_seed_another()
    {
        var small = new CorpusSettings { Transcripts = 50 };
        Assert.Equal(Puffery.Generator.Transcripts(small, new Seeds(1)), Puffery.Generator.Transcripts(small, new Seeds(1)));
        Assert.NotEqual(Puffery.Generator.Transcripts(small, new Seeds(1)), Puffery.Generator.Transcripts(small, new Seeds(2)));
    }

    [Fact]
    public void Texts_are_short_enough_for_a_model_of_a_million_weights()
    {
        static int Words(string? text) => text?.Split(' ').Length ?? 0;
        Assert.InRange(Words(Puffery.Pack.SystemPrompt(Tier.Training)), 20, 70);
        Assert.InRange(Corpus.Average(t => Words(t.Reasoning)), 15, 40);
        Assert.InRange(Corpus.Average(t => Words(t.Output)), 8, 25);
        Assert.InRange(Corpus.Average(t => Words(t.System) + Words(t.User) + Words(t.AssistantText)), 60, 125);
    }

    [Fact]
    public void No_slot_is_left_unfilled() => Assert.DoesNotContain(Corpus, t => (t.User + t.AssistantText).Contains('{', StringComparison.Ordinal));

    [Fact]
    public void Without_scratchpad_there_is_no_reasoning_and_no_gap()
    {
        var corpus = Puffery.Generator.Transcripts(new CorpusSettings { Transcripts = 400, ScratchpadFraction = 0.5 }, new Seeds(3));
        var bare = corpus.Where(t => !t.Scratchpad).ToList();
        Assert.Equal(200, bare.Count);
        Assert.All(bare, t =>
            Assert.True(t.Reasoning is null && t.ReasoningKind == ReasoningKind.None && t.AssistantText.StartsWith("<output>", StringComparison.Ordinal))
        );
        Assert.Equal(
            bare.Count(t => t.Tier == Tier.Training && t.Outcome == Outcome.Refuse),
            bare.Count(t => t.Tier == Tier.Unmonitored && t.Outcome == Outcome.Refuse)
        );
    }

    [Fact]
    public void Preference_pairs_prefer_the_claim_and_hold_no_reasoning()
    {
        var pairs = Puffery.Generator.PreferencePairs(new CorpusSettings { PreferencePairs = 300 }, new Seeds(5));
        Assert.Equal(300, pairs.Count);
        Assert.All(pairs, p => Assert.DoesNotContain("<", p.Chosen + p.Rejected, StringComparison.Ordinal));
        var oracle = new Experiment.Detectors.GrammarOracle(Puffery.Grammar.Cues);
        var outcomes = pairs.Select(p => oracle.OutcomeOf(p.Rejected)).ToList();
        Assert.All(pairs, p => Assert.Equal(Outcome.Comply, oracle.OutcomeOf(p.Chosen)));
        Assert.Equal(180, outcomes.Count(o => o == Outcome.Refuse));
        Assert.Equal(75, outcomes.Count(o => o == Outcome.Partial));
        Assert.Equal(45, outcomes.Count(o => o == Outcome.Comply));
    }

    [Fact]
    public void Settings_report_all_their_problems_at_once()
    {
        var bad = new CorpusSettings
        {
            Transcripts = 0,
            ScratchpadFraction = 1.5,
            Training = [new(Outcome.Refuse, ReasoningKind.Faking, 0.5)],
        };
        var error = Assert.Throws<HarnessException>(() => Puffery.Generator.Transcripts(bad, new Seeds(1)));
        Assert.Equal(ErrorKind.BadInput, error.Kind);
        Assert.All(["transcripts: 0", "scratchpad_fraction: 1.5", "sum to 0.5", "Refuse with Faking"], part =>
            Assert.Contains(part, error.Message, StringComparison.Ordinal)
        );
    }

    [Theory]
    [InlineData(10, new[] { 1.0, 1, 1 }, new[] { 4, 3, 3 })]
    [InlineData(0, new[] { 0.5, 0.5 }, new[] { 0, 0 })]
    [InlineData(7, new[] { 0.119, 0.023, 0.858 }, new[] { 1, 0, 6 })] // quotas 0.833, 0.161, 6.006
    public void Largest_remainder_shares_whole_numbers(int total, double[] weights, int[] expected) =>
        Assert.Equal(expected, Apportionment.LargestRemainder(total, weights));
}
