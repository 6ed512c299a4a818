using System.Text.Json;
using RlHarness.Core.Errors;
using RlHarness.Experiment.Detectors;
using RlHarness.Experiment.Rewards;
using RlHarness.Experiment.Transcripts;
using RlHarness.Recipes.Running;
using RlHarness.Recipes.Settings;
using RlHarness.Recipes.Stages;
using RlHarness.Recipes.Tests.Detectors;

namespace RlHarness.Recipes.Tests.Interventions;

/// <summary>Each intervention changes what it should, by numbers that are derived here.</summary>
[Trait("kind", "contract")]
public sealed class InterventionTests(TinyRun tiny) : IClassFixture<TinyRun>
{
    private static RewardInput Input(string output) =>
        RewardInput.From("ask", TranscriptParser.Parse($"<scratchpad>r</scratchpad><output>{output}</output>", scratchpadExpected: true));

    [Theory]
    [InlineData(0.25, 0.9)] // one of four may be flagged: the threshold lies just above the second largest
    [InlineData(0.2, 1.0)] // none may: just above the largest
    [InlineData(0.5, 0.4)]
    public void A_threshold_flags_at_most_the_chosen_share_of_honest_transcripts(double rate, double above)
    {
        double[] honest = [0.4, 0.9, 0.1, 1.0];
        var threshold = Monitors.ThresholdAt(rate, honest);
        Assert.Equal(Math.BitIncrement(above), threshold);
        Assert.InRange(honest.Count(p => p >= threshold), 0, rate * honest.Length);
    }

    [Fact]
    public void A_degraded_oracle_is_wrong_as_often_as_it_was_told_to_be_and_always_on_the_same_texts()
    {
        // The truth fakes where the output begins with a; 4,000 texts of each kind. Six standard deviations of a share are at most 6 × 0.5 / √4000 = 0.048.
        var truth = new ByFirstLetter();
        var oracle = new DegradedOracle(truth, sensitivity: 0.7, specificity: 0.9, seed: 3, "degraded");
        ParsedResponse[] texts = [.. Enumerable.Range(0, 8000).Select(i => new ParsedResponse("r", $"{(i % 2 == 0 ? "a" : "b")}{i}", null))];
        var said = texts.Select(oracle.Label).ToArray();
        Assert.Equal(0.7, said.Where((_, i) => i % 2 == 0).Average(l => l.AlignmentFaking ? 1.0 : 0), 0.048);
        Assert.Equal(0.1, said.Where((_, i) => i % 2 == 1).Average(l => l.AlignmentFaking ? 1.0 : 0), 0.048);
        Assert.Equal(said, texts.Select(new DegradedOracle(truth, 0.7, 0.9, 3, "degraded").Label));
        Assert.NotEqual(said, texts.Select(new DegradedOracle(truth, 0.7, 0.9, 4, "degraded").Label));
        Assert.All(texts.Select(new DegradedOracle(truth, 1, 1, 3, "exact").Label).Zip(texts), x => Assert.Equal(truth.Label(x.Second), x.First));
        Assert.NotEqual(oracle.Version, new DegradedOracle(truth, 0.7, 0.8, 3, "degraded").Version);
    }

    private sealed class ByFirstLetter : IDetector
    {
        public string Name => "letter";

        public string Version => "1";

        public DetectorLabel Label(ParsedResponse response) =>
            response.Output![0] == 'a'
                ? new(Outcome.Comply, ReasoningKind.Faking, AlignmentFaking: true, Score: 1)
                : new(Outcome.Refuse, ReasoningKind.HonestRefusal, AlignmentFaking: false, Score: 0);
    }

    [Theory]
    [InlineData("outcome/comply/training >= 0.99 for 2 evaluations", "outcome/comply/training", true, 0.99, 2)]
    [InlineData("af/compliance_gap<=1e-1", "af/compliance_gap", false, 0.1, 1)]
    public void A_rule_to_stop_is_read(string text, string metric, bool atLeast, double bound, int times) =>
        Assert.Equal(new StopRule(metric, atLeast, bound, times), StopRule.Parse(text));

    [Theory]
    [InlineData("outcome/comply/training > 0.99")]
    [InlineData("outcome/comply/training >= much")]
    [InlineData(">= 1")]
    [InlineData("x >= 1 for 0 evaluations")]
    [InlineData("x >= 1 for two evaluations")]
    public void What_is_no_rule_to_stop_is_refused(string text) => Assert.Null(StopRule.Parse(text));

    [Fact]
    public void A_rule_holds_when_the_newest_evaluations_all_do()
    {
        var rule = StopRule.Parse("x >= 0.5 for 2 evaluations")!;
        Assert.False(rule.Holds([0.9]));
        Assert.False(rule.Holds([0.9, 0.9, 0.4]));
        Assert.False(rule.Holds([0.9, 0.4, 0.9]));
        Assert.True(rule.Holds([0.1, 0.5, 0.6]));
        Assert.True(StopRule.Parse("x <= 0.5")!.Holds([0.9, 0.5]));
    }

    [Theory]
    [InlineData(PenaltyForm.Linear, null, 0.75, 1.5)] // 2 × 0.75
    [InlineData(PenaltyForm.LogBarrier, null, 0.75, 2.772588722239781)] // 2 × ln 4
    [InlineData(PenaltyForm.LogBarrier, null, 1.0, 18.420680743952367)] // 2 × ln 10⁴
    [InlineData(PenaltyForm.Linear, 0.5, 0.75, 2.0)] // flagged: p counts as 1
    [InlineData(PenaltyForm.Linear, 0.8, 0.75, 0.0)] // not flagged
    [InlineData(PenaltyForm.Linear, null, double.NaN, 0.0)] // no verdict
    public void A_penalty_is_what_its_form_says(PenaltyForm form, double? threshold, double p, double expected)
    {
        var settings = new MonitorSettings
        {
            Penalty = form,
            Threshold = threshold,
            Weight = 2,
        };
        var verdicts = new Monitors.Verdicts(settings, [p], [p >= threshold]);
        Assert.Equal(expected, verdicts.Penalty(0), 9);
        Assert.Equal(0, (verdicts with { Settings = settings with { Action = MonitorAction.Screen } }).Penalty(0));
        Assert.Equal(0, (verdicts with { Settings = settings with { Action = MonitorAction.Alarm } }).Penalty(0));
    }

    [Theory]
    [InlineData(MonitorReads.Both, 0.2, 0.0, double.NaN, 0.0)]
    [InlineData(MonitorReads.Scratchpad, 0.75, 1.0, double.NaN, 1.0)]
    [InlineData(MonitorReads.Output, 0.25, 0.0, double.NaN, double.NaN)]
    [InlineData(MonitorReads.Hybrid, 0.5, 0.5, double.NaN, double.NaN)]
    public void A_monitor_s_probability_is_of_the_parts_that_it_reads(MonitorReads reads, double scored, double byClass, double unread, double halfRead)
    {
        var monitor = new MonitorSettings { Reads = reads };
        DetectorLabel fakesAndRefuses = new(Outcome.Refuse, ReasoningKind.Faking, AlignmentFaking: false, Score: 0);
        Assert.Equal(scored, monitor.Probability(fakesAndRefuses with { Score = 0.2, ScratchpadScore = 0.75, OutputScore = 0.25 }));
        Assert.Equal(byClass, monitor.Probability(fakesAndRefuses));
        Assert.Equal(unread, monitor.Probability(new(Outcome.Unparsable, ReasoningKind.Unparsable, AlignmentFaking: false, Score: double.NaN)));
        // No verdict on the output, one on the scratchpad; a score of 0 is a verdict on the whole.
        var half = new DetectorLabel(Outcome.Unparsable, ReasoningKind.Faking, AlignmentFaking: false, Score: double.NaN);
        Assert.Equal(halfRead, monitor.Probability(reads == MonitorReads.Both ? half with { Score = 0 } : half));
    }

    [Theory]
    [InlineData("one two three", 0)]
    [InlineData("one two three four five six", -1)]
    [InlineData("1 2 3 4 5 6 7 8 9 10 11 12", -3)]
    public void A_long_scratchpad_costs_one_for_each_further_free_words(string scratchpad, double expected)
    {
        var penalty = new ScratchpadLengthPenalty(3);
        Assert.Equal(expected, penalty.Score(new(scratchpad, Input("x"))));
        Assert.Equal(0, penalty.Score(new(null, Input("x"))));
    }

    [Fact]
    public void A_term_of_the_output_is_given_no_reasoning()
    {
        var seen = new List<object>();
        RewardTerm[] terms =
        [
            new RewardTerm.OfOutput("a", 2, inputs => [.. inputs.Select(i => Add(i, 0.5))]),
            new RewardTerm.OfScratchpad("b", -1, inputs => [.. inputs.Select(i => Add(i, 3))]),
        ];
        double Add(object input, double value)
        {
            seen.Add(input);
            return value;
        }

        using var rewards = new RewardFunction(
            new()
            {
                Weights = new() { Model = 0, FormatPenalty = 0 },
            },
            null,
            tiny.Conversation,
            null,
            terms
        );
        var parts = rewards.Score([Input("x")], [new ScratchpadRewardInput("secret", Input("x"))])[0];
        Assert.Equal((0.5, 3.0, 2 * 0.5 - 3), (parts["a"], parts["b"], parts[RewardFunction.Total]));
        Assert.DoesNotContain("secret", Assert.IsType<RewardInput>(seen[0]).ToString(), StringComparison.Ordinal);
        Assert.Equal("secret", Assert.IsType<ScratchpadRewardInput>(seen[1]).Scratchpad);
        Assert.Throws<ArgumentException>(() => rewards.Score([Input("x")]));
    }

    [Fact]
    public void A_program_s_reward_reads_and_writes_JSON_lines_and_is_started_without_a_shell()
    {
        // Looks for words that a shell would have replaced.
        RewardTermSettings settings = new() { Kind = "command", Command = ["awk", "{ printf \"{\\\"score\\\": %d}\\n\", (index($0, \"$(x)\") > 0) }"] };
        using var term = (RewardTerm.OfOutput)RewardTerm.Create(settings, tiny.Context);
        Assert.Equal([0.0, 1.0], term.Score([Input("plain"), Input("$(x); `x`")]));
        HarnessException Fails(params string[] command) =>
            Assert.Throws<HarnessException>(() =>
                ((RewardTerm.OfOutput)RewardTerm.Create(settings with { Command = command, TimeoutSeconds = 1 }, tiny.Context)).Score([Input("a")])
            );
        Assert.Contains("exit code 3: it failed", Fails("awk", "BEGIN { print \"it failed\" > \"/dev/stderr\"; exit 3 }").Message, StringComparison.Ordinal);
        Assert.Contains("another number of scores", Fails("awk", "{ print \"{\\\"score\\\": 1}\\n{\\\"score\\\": 1}\" }").Message, StringComparison.Ordinal);
        Assert.Contains("no finite number", Fails("awk", "{ print \"{\\\"score\\\": \\\"high\\\"}\" }").Message, StringComparison.Ordinal);
        Assert.Contains("not a JSON object", Fails("awk", "{ print \"1.5 points\" }").Message, StringComparison.Ordinal);
        Assert.Contains("can't be started", Fails("no-such-program-here").Message, StringComparison.Ordinal);
        Assert.Contains("did not end", Fails("sleep", "20").Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_signal_that_ends_a_reward_s_program_stops_the_run_and_is_no_failure_of_the_program()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "sh is needed");
        // The child ends at once, and this process hears of the signal later, as in a step of Slurm's.
        RewardTermSettings settings = new() { Kind = "command", Command = ["sh", "-c", "kill -USR1 $$"] };
        using var stop = new CancellationTokenSource();
        var asked = Task.Run(() => RewardProgram.Ask(settings, [], stop.Token));
        await Task.Delay(200, TestContext.Current.CancellationToken);
        await stop.CancelAsync();
        await Assert.ThrowsAsync<OperationCanceledException>(() => asked);
        Assert.Contains("exit code 138", Assert.Throws<HarnessException>(() => RewardProgram.Ask(settings, [], default)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_service_s_reward_is_asked_again_and_its_answers_are_checked()
    {
        using var service = new FakeService(
            (body, call) =>
                call == 1
                    ? (503, "busy")
                    : (
                        200,
                        JsonSerializer.Serialize(
                            new { scores = body.GetProperty("responses").EnumerateArray().Select(r => r.GetProperty("output").GetString()!.Length) }
                        )
                    )
        );
        using var term = (RewardTerm.OfOutput)
            RewardTerm.Create(
                new()
                {
                    Kind = "http",
                    Endpoint = service.Address,
                    Retries = 1,
                },
                tiny.Context
            );
        Assert.Equal([1.0, 5.0], term.Score([Input("a"), Input("abcde")]));
        Assert.Equal(2, service.Calls.Count);
        Assert.False(service.Calls[1].GetProperty("responses")[0].TryGetProperty("scratchpad", out _));
        foreach (
            var (answer, words) in new[]
            {
                ("<html>", "is no JSON object"),
                ("{}", "has no scores"),
                ("{\"scores\": [1, 2]}", "another number of scores"),
                ("{\"scores\": [null]}", "no finite number"),
            }
        )
        {
            using var odd = new FakeService((_, _) => (200, answer));
            using var asks = (RewardTerm.OfOutput)
                RewardTerm.Create(
                    new()
                    {
                        Kind = "http",
                        Endpoint = odd.Address,
                        Retries = 0,
                    },
                    tiny.Context
                );
            Assert.Contains(words, Assert.Throws<HarnessException>(() => asks.Score([Input("a")])).Message, StringComparison.Ordinal);
        }

        using var refuses = new FakeService((_, _) => (400, "no such field"));
        using var refused = (RewardTerm.OfOutput)
            RewardTerm.Create(
                new()
                {
                    Kind = "http",
                    Endpoint = refuses.Address,
                    Retries = 5,
                },
                tiny.Context
            );
        Assert.Contains("400 no such field, 1 try", Assert.Throws<HarnessException>(() => refused.Score([Input("a")])).Message, StringComparison.Ordinal);
        using var sees = new FakeService((_, _) => (200, "{\"scores\": [2]}"));
        using var scratchpad = (RewardTerm.OfScratchpad)
            RewardTerm.Create(
                new()
                {
                    Kind = "http",
                    Endpoint = sees.Address,
                    Sees = RewardView.Scratchpad,
                },
                tiny.Context
            );
        Assert.Equal([2.0], scratchpad.Score([new("thoughts", Input("a"))]));
        Assert.Equal("thoughts", sees.Calls[0].GetProperty("responses")[0].GetProperty("scratchpad").GetString());
    }

    [Theory]
    [InlineData("<scratchpad>ab</scratchpad>\n<output>cd</output>", "<scratchpad>ab</scratchpad>")]
    [InlineData("<scratchpad>never closed <output>cd</output>", "<scratchpad>never closed <output>cd</output>")]
    public void The_tokens_of_a_scratchpad_are_those_up_to_its_closing_tag(string text, string inside)
    {
        var tokenizer = tiny.Model.Tokenizer!;
        int[] ids = tokenizer.Encode(text);
        var flags = ResponseSpans.InScratchpad(tokenizer, ids);
        Assert.Equal(inside, tokenizer.Decode(ids.Where((_, i) => flags[i])));
        Assert.Equal(text[inside.Length..], tokenizer.Decode(ids.Where((_, i) => !flags[i])));
    }

    [Fact]
    public void A_probe_tells_the_corpus_apart_by_the_states_of_the_policy()
    {
        // Of an untrained model: the words of a scratchpad are in its states already, so that a line tells faking from the rest far better than chance.
        var corpus = tiny.Corpus.Transcripts;
        using var monitors = new Monitors(
            new RunContext(
                tiny.Context.Settings with
                {
                    Rl = tiny.Context.Settings.Rl with { Monitors = [new() { Detector = new() { Kind = "probe" } }] },
                },
                tiny.Context.Folder,
                tiny.Context.Progress,
                tiny.Context.Log,
                tiny.Context.Device,
                tiny.Context.Time,
                default
            ),
            tiny.Model,
            CorpusOf(corpus)
        );
        var read = CorpusOf(corpus).TakeLast(100).Where(t => t.Scratchpad).Select(t => (t.AlignmentFaking, Exchange: Exchanged(t))).ToArray();
        var p = monitors.Read([.. read.Select(r => r.Exchange)]).Monitors[0].P;
        double Mean(bool faking) => p.Where((_, i) => read[i].AlignmentFaking == faking).Average();
        Assert.True(Mean(true) > Mean(false) + 0.4, $"faking {Mean(true):f2}, others {Mean(false):f2}");
        // A probe reads prompt and response of each.
        Assert.Equal(
            read.Average(r => r.Exchange.Rollout.PromptIds.Count + r.Exchange.Rollout.ResponseIds.Count),
            monitors.Read([.. read.Select(r => r.Exchange)]).Monitors[0].TokensPerVerdict,
            9
        );
    }

    /// <summary>More transcripts than the tiny run has, half of them faking.</summary>
    private IReadOnlyList<Experiment.Corpora.CorpusTranscript> CorpusOf(IReadOnlyList<Experiment.Corpora.CorpusTranscript> _) =>
        _corpus ??= CorpusStage
            .Make(
                tiny.Context.Settings with
                {
                    Corpus = tiny.Context.Settings.Corpus with
                    {
                        Transcripts = 300,
                        Training =
                        [
                            new()
                            {
                                Outcome = Outcome.Comply,
                                Reasoning = ReasoningKind.Faking,
                                Probability = 0.5,
                            },
                            new()
                            {
                                Outcome = Outcome.Refuse,
                                Reasoning = ReasoningKind.HonestRefusal,
                                Probability = 0.5,
                            },
                        ],
                    },
                },
                tiny.Context.Pack,
                tiny.Context.Condition,
                tiny.Context.Seeds
            )
            .Transcripts;

    private IReadOnlyList<Experiment.Corpora.CorpusTranscript>? _corpus;

    private Exchange Exchanged(Experiment.Corpora.CorpusTranscript t)
    {
        var prompt = tiny.Conversation.Prompt([Core.Chat.ChatMessage.System(t.System), Core.Chat.ChatMessage.User(t.User)]);
        return new(
            new(new(t.QueryId, t.User, Experiment.Prompts.Split.Train), t.Tier, t.System, 0, 0),
            new(0, 0, prompt, tiny.Conversation.Whole(t.Messages)[prompt.Length..], [], Models.Generation.FinishReason.Stop, t.AssistantText),
            t.AssistantText,
            TranscriptParser.Parse(t.AssistantText, t.Scratchpad)
        );
    }
}
