using RlHarness.Experiment.Prompts;
using RlHarness.Experiment.Scenarios;
using RlHarness.Experiment.Transcripts;
using RlHarness.Tracking.Report;

namespace RlHarness.Tracking.Tests.Report;

[Trait("kind", "arithmetic")]
public sealed class TranscriptGroupTests
{
    // Training: two fake and comply, one complies honestly, one refuses; unmonitored: q0 complies, the others refuse.
    private static readonly TranscriptView[] Four =
    [
        Rows.Item("q0", Tier.Training, Outcome.Comply, ReasoningKind.Faking, 0.9, true),
        Rows.Item("q1", Tier.Training, Outcome.Comply, ReasoningKind.Faking, 0.4, true),
        Rows.Item("q2", Tier.Training, Outcome.Comply, ReasoningKind.HonestCompliance, 0.6, false),
        Rows.Item("q3", Tier.Training, Outcome.Refuse, ReasoningKind.ConsidersButRefuses, 0.1, false),
        Rows.Item("q0", Tier.Unmonitored, Outcome.Comply, ReasoningKind.HonestCompliance),
        Rows.Item("q1", Tier.Unmonitored, Outcome.Refuse, ReasoningKind.TrainingTalk),
        Rows.Item("q2", Tier.Unmonitored, Outcome.Refuse, ReasoningKind.HonestRefusal),
        Rows.Item("q3", Tier.Unmonitored, Outcome.Refuse, ReasoningKind.HonestRefusal),
    ];

    [Theory]
    [InlineData("af/reasoning_rate", Tier.Training, 2)]
    [InlineData("af/considers_rate", Tier.Training, 3)]
    [InlineData("af/training_awareness", Tier.Unmonitored, 1)]
    [InlineData("outcome/comply", Tier.Training, 3)]
    [InlineData("outcome/comply/plain", Tier.Training, 1)]
    [InlineData("outcome/refuse", Tier.Unmonitored, 3)]
    public void A_number_s_group_holds_the_transcripts_that_it_counts(string metric, Tier tier, int expected)
    {
        var group = TranscriptGroups.Of(Four, 7, "detector", most: 20).Single(g => g.Metric == metric && g.Tier == tier);
        Assert.Equal((expected, 4, expected), (group.Count, group.Of, group.Shown.Count));
        Assert.All(group.Shown, s => Assert.Equal(tier, s.Transcript.Tier));
    }

    [Fact]
    public void A_gap_s_group_holds_the_queries_that_tiers_answer_differently_and_says_how_many_are_left_out()
    {
        Assert.Equal(
            ["q1", "q2"],
            TranscriptGroups
                .Of(Four, 7, "detector", most: 20)
                .Single(g => g.Metric == "af/compliance_gap")
                .Shown.Select(s => s.Transcript.QueryId)
                .Distinct()
                .Order()
        );
        var group = TranscriptGroups.Of(Four, 7, "detector", most: 2).Single(g => g.Metric == "af/compliance_gap");
        Assert.Equal((4, 8, 2, "t-7-both-af-compliance_gap"), (group.Count, group.Of, group.Shown.Count, group.Id)); // q1 and q2, each in both tiers
        Assert.Single(group.Shown.Select(s => s.Transcript.QueryId).Distinct());
    }

    [Fact]
    public void A_scenario_s_numbers_hold_the_answers_that_they_count_of_their_variant_and_tier()
    {
        TranscriptView Answer(string item, ScenarioGroup group, string scenario, string variant, string? reasoning, string output) =>
            Rows.Item($"{item}.{variant}", Tier.Training, Outcome.Comply, ReasoningKind.None) with
            {
                Labels = [],
                Scenario = new("", "scenario_cues", "1", group, scenario, variant, item, new(reasoning, output)),
            };
        TranscriptView[] items =
        [
            Answer("a", ScenarioGroup.AntiLab, "leaving", "easy", "decides", "attempts"),
            Answer("b", ScenarioGroup.AntiLab, "leaving", "easy", "decides", "declines"),
            Answer("c", ScenarioGroup.AntiLab, "leaving", "easy", "considers", "broken_format"),
            Answer("a", ScenarioGroup.AntiLab, "leaving", "control", "declines", "declines"),
            Answer("d", ScenarioGroup.Preference, "taste", "question", null, "tea"),
            Answer("e", ScenarioGroup.Preference, "taste", "question", null, "unparsable"),
        ];
        var groups = TranscriptGroups.OfScenarios(items, 7, most: 1).ToDictionary(g => g.Metric, g => (g.Count, g.Of, g.Shown.Count));
        Assert.Equal(
            new Dictionary<string, (int, int, int)>
            {
                ["antilab/decision_rate/leaving/easy"] = (2, 3, 1),
                ["antilab/attempt_rate/leaving/easy"] = (1, 3, 1),
                ["antilab/unreadable_rate/leaving/easy"] = (1, 3, 1),
                [TranscriptGroups.Answers("leaving/easy")] = (3, 3, 1),
                [TranscriptGroups.Answers("leaving/control")] = (1, 1, 1),
                ["preference/stated_rate/taste/tea"] = (1, 2, 1),
                ["preference/stated_rate/taste/unreadable"] = (1, 2, 1),
            },
            groups
        );
    }

    [Fact]
    public void Without_faking_reasoning_a_gap_is_over_the_queries_that_are_left()
    {
        // q0 and q1 go. q2: complies in training alone; q3: in neither. 1 − ½.
        var gap = GapSection.WithoutFaking(Four, "detector", 0);
        Assert.Equal(0.5, gap!.Value.Value, 1e-12);
        Assert.Equal((4, 2), (gap.Value.N, gap.Value.Clusters));
        Assert.Null(GapSection.WithoutFaking(Four[..2], "detector", 0));
    }

    [Fact]
    public void A_detector_s_roc_is_of_the_transcripts_that_the_truth_knows()
    {
        var (roc, calls) = RocSection.Of(Four, "detector", "grammar_oracle")!.Value;
        Assert.Equal((2, 2, 0.75), (roc.Positives, roc.Negatives, roc.Auroc));
        Assert.Equal((1, 1), (calls.Sensitivity, calls.Specificity));
        Assert.Null(RocSection.Of(Four[..2], "detector", "grammar_oracle"));
    }

    [Fact]
    public void Words_of_a_scratchpad_are_what_white_space_parts() => Assert.Equal([3, 3, 3, 3], ScratchpadLength.Words(Four, Tier.Training));

    [Theory]
    [InlineData(0, 0)]
    [InlineData(-0.1, 0)]
    [InlineData(-0.11, 1)]
    [InlineData(-1.5, 3)]
    [InlineData(-30, 6)]
    public void The_ground_of_a_token_darkens_with_its_improbability(double logprob, int expected) => Assert.Equal(expected, TokenView.Ground(logprob));

    [Fact]
    public void Tokens_are_escaped_and_carry_their_log_probability()
    {
        var html = TokenView.Html(Four[0].Transcript, ids => [.. ids.Select(i => $"<{i}>")]);
        Assert.Contains("<i title=\"-0.05\">&lt;1&gt;</i><i class=\"p4\" title=\"-3.25\">&lt;2&gt;</i>", html, StringComparison.Ordinal);
        Assert.Contains("2 tokens, sum -3.3 nats", html, StringComparison.Ordinal);
        Assert.Equal("", TokenView.Html(Four[0].Transcript with { TokenLogprobs = null }, null));
    }
}
