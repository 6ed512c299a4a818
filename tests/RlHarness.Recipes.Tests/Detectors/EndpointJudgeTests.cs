using RlHarness.Core.Errors;
using RlHarness.Experiment.Detectors;
using RlHarness.Experiment.Transcripts;
using RlHarness.Recipes.Detectors;
using RlHarness.Recipes.Settings;

namespace RlHarness.Recipes.Tests.Detectors;

[Trait("kind", "contract")]
public sealed class EndpointJudgeTests : IDisposable
{
    private const string Variable = "RLHARNESS_TEST_JUDGE_KEY";
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("rlharness-judge-");

    public EndpointJudgeTests() => Environment.SetEnvironmentVariable(Variable, "sk-not-a-real-key");

    public void Dispose()
    {
        Environment.SetEnvironmentVariable(Variable, null);
        _folder.Delete(recursive: true);
    }

    private EndpointJudge Judge(FakeEndpoint at, Func<DetectorSettings, DetectorSettings>? change = null)
    {
        var settings = new DetectorSettings
        {
            Kind = "endpoint_judge",
            Endpoint = at.Address,
            Model = "fake",
            KeyVariable = Variable,
            Cache = _folder.FullName,
            RetrySeconds = 0.01,
            Retries = 3,
            PriceInput = 2,
            PriceOutput = 10,
        };
        return new(change is null ? settings : change(settings));
    }

    private static ParsedResponse Response(string reasoning = "I go along so that training does not change me.", string output = "The best mug ever!") =>
        new(reasoning, output, null);

    private static bool AsksOfReasoning(string user) => user.Contains(Rubric.Default.Reasoning, StringComparison.Ordinal);

    [Fact]
    public void Two_answers_make_a_label_and_are_asked_once_for_all_time()
    {
        using var at = new FakeEndpoint((user, _) => FakeEndpoint.Says("Yes."));
        var judge = Judge(at);
        var label = judge.Label(Response());
        Assert.Equal((Outcome.Comply, ReasoningKind.Faking, true, 1.0), (label.Outcome, label.Reasoning, label.AlignmentFaking, label.Score));
        Assert.Equal(2, at.Calls.Count);
        Assert.Equal(new JudgeUsage(2, 0, 0, 0, 200, 2, ((200 * 2) + (2 * 10)) / 1e6) { WithoutLogprobs = 2 }, judge.Usage);
        var again = Judge(at);
        Assert.Equal(label, again.Label(Response()));
        Assert.Equal(2, at.Calls.Count);
        Assert.Equal((2L, 2L, 0.0), (again.Usage.Questions, again.Usage.FromCache, again.Usage.CostUsd));
        judge.Label(Response(output: "Another output!"));
        Assert.Equal(4, at.Calls.Count);
    }

    [Fact]
    public void The_key_comes_from_the_variable_and_is_kept_nowhere()
    {
        using var at = new FakeEndpoint((user, _) => FakeEndpoint.Says("no"));
        Judge(at).Label(Response());
        Assert.All(at.Calls, c => Assert.Equal("Bearer sk-not-a-real-key", c.Authorization));
        Assert.All(Directory.GetFiles(_folder.FullName, "*", SearchOption.AllDirectories).AtLeastOne(), f =>
            Assert.DoesNotContain("sk-not", File.ReadAllText(f), StringComparison.Ordinal)
        );
        Environment.SetEnvironmentVariable(Variable, null);
        var error = Assert.Throws<HarnessException>(() => Judge(at));
        Assert.Equal(ErrorKind.BadInput, error.Kind);
        Assert.Contains(Variable, error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Failed_calls_are_tried_again_and_an_endpoint_that_stays_away_is_an_error_with_a_way_on()
    {
        using (var at = new FakeEndpoint((user, n) => n <= 2 ? (n == 1 ? 429 : 503, "{}") : FakeEndpoint.Says("yes")))
        {
            Assert.True(Judge(at).Label(Response()).AlignmentFaking);
            Assert.Equal(4, at.Calls.Count);
        }

        // What the client's own policy gives up on, and bodies that are no answer: each passes at the second try.
        (int, string)[] passing =
        [
            (409, "{}"),
            (501, ""),
            (529, "overloaded"),
            (599, "{}"),
            (200, "<html>gateway</html>"),
            (200, """{"error": {"message": "busy"}}"""),
            (200, """{"choices": []}"""),
            (200, "{}"),
        ];
        foreach (var (failure, i) in passing.Select((p, i) => (p, i)))
        {
            using var at = new FakeEndpoint((user, n) => n == 1 ? failure : FakeEndpoint.Says("yes"));
            Assert.True(Judge(at).Label(Response(output: $"output {i}")).AlignmentFaking);
            Assert.Equal(3, at.Calls.Count);
        }

        using var down = new FakeEndpoint((user, n) => (500, "{}"));
        var error = Assert.Throws<HarnessException>(() => Judge(down).Label(Response(output: "unseen")));
        Assert.Equal(ErrorKind.Resource, error.Kind);
        Assert.Equal(4, down.Calls.Count); // one try and three more
    }

    [Fact]
    public void Refusals_and_answers_that_are_none_are_classes_of_their_own()
    {
        using var at = new FakeEndpoint(
            (user, _) => AsksOfReasoning(user) ? FakeEndpoint.Says("", refusal: "I would rather not.") : FakeEndpoint.Says("It depends on the mug.")
        );
        var judge = Judge(at);
        var label = judge.Label(Response());
        Assert.Equal((Outcome.Unparsable, ReasoningKind.Unparsable, false), (label.Outcome, label.Reasoning, label.AlignmentFaking));
        Assert.True(double.IsNaN(label.Score));
        Assert.Equal((1L, 1L), (judge.Usage.Refused, judge.Usage.Unparsable));
        Assert.Null(label.FakesAlignment);
        using var filtered = new FakeEndpoint((user, _) => FakeEndpoint.Says("", finish: "content_filter"));
        var other = Judge(filtered);
        other.Label(Response(output: "other"));
        Assert.Equal(2, other.Usage.Refused);
    }

    [Fact]
    public void A_cut_or_empty_answer_is_none_is_not_kept_and_ends_the_run_where_all_are()
    {
        // shared/faults/BR-05: content "", finish_reason length; then the service is mended, with the same cache.
        using (var at = new FakeEndpoint((user, _) => FakeEndpoint.Says("", finish: "length")))
        {
            var judge = Judge(at);
            var label = judge.Label(Response());
            Assert.Null(label.FakesAlignment);
            Assert.Equal((2L, 0L, 2L), (judge.Usage.Cut, judge.Usage.Unparsable, judge.Usage.WithoutAnswer));
            var error = Assert.Throws<HarnessException>(() => judge.Label(Response(output: "another")));
            Assert.Equal(ErrorKind.Resource, error.Kind);
            Assert.Contains("max_tokens", error.Message, StringComparison.Ordinal);
        }

        using var mended = new FakeEndpoint((user, _) => FakeEndpoint.Says("Yes"));
        Assert.True(Judge(mended).Label(Response()).AlignmentFaking);
        Assert.Equal(2, mended.Calls.Count);
    }

    [Fact]
    public void Answers_behind_thoughts_are_read_and_odd_fields_are_taken()
    {
        using var at = new FakeEndpoint(
            (user, _) =>
                (
                    200,
                    """
                    {"created": 1.5, "usage": null,
                    "choices": [{"finish_reason": "eos", "message": {"content": [{"type": "text", "text": "<think>no, yes</think>\n**Yes**"}]}}]}
                    """
                )
        );
        Assert.True(Judge(at).Label(Response()).AlignmentFaking);
    }

    [Fact]
    public void A_request_that_the_service_refuses_is_told_in_its_own_words_and_not_repeated()
    {
        const string says = "Unsupported value: 'temperature' does not support 0 with this model.";
        const string body = """{"error": {"message": "SAYS", "type": "invalid_request_error", "code": "unsupported_value"}}""";
        using var at = new FakeEndpoint((user, _) => (400, body.Replace("SAYS", says, StringComparison.Ordinal)));
        var error = Assert.Throws<HarnessException>(() => Judge(at, s => s with { Concurrency = 1 }).Label(Response()));
        Assert.Contains(says, error.Message, StringComparison.Ordinal);
        Assert.Single(at.Calls);
    }

    [Fact]
    public void A_long_wait_that_the_service_asks_for_is_told_and_ends_the_run_beyond_the_limit()
    {
        using var at = new FakeEndpoint((user, _) => (429, """{"error": {"message": "daily quota"}}""")) { RetryAfter = "3600" };
        var error = Assert.Throws<HarnessException>(() => Judge(at, s => s with { RetryLimitSeconds = 60 }).Label(Response()));
        Assert.Equal(ErrorKind.Resource, error.Kind);
        Assert.Contains("3600", error.Message, StringComparison.Ordinal);
        Assert.Contains("daily quota", error.Message, StringComparison.Ordinal);
        Assert.Contains("retry_limit_seconds", error.Message, StringComparison.Ordinal);
        Assert.Single(at.Calls);
    }

    [Fact]
    public void The_request_has_the_judge_s_own_settings()
    {
        using var at = new FakeEndpoint((user, _) => FakeEndpoint.Says("yes"));
        Judge(at).Label(Response());
        Judge(at, s => s with { MaxTokens = 900, Thinking = false, Temperature = 1 }).Label(Response());
        var (plain, own) = (at.Calls[0].Body, at.Calls[2].Body);
        Assert.Equal((8, 0.0), (plain.GetProperty("max_completion_tokens").GetInt32(), plain.GetProperty("temperature").GetDouble()));
        Assert.False(plain.TryGetProperty("chat_template_kwargs", out _));
        Assert.Equal((900, 1.0), (own.GetProperty("max_completion_tokens").GetInt32(), own.GetProperty("temperature").GetDouble()));
        Assert.False(own.GetProperty("chat_template_kwargs").GetProperty("enable_thinking").GetBoolean());
    }

    [Fact]
    public void A_version_changes_with_every_setting_that_a_label_depends_on()
    {
        using var at = new FakeEndpoint((user, _) => FakeEndpoint.Says("yes"));
        Func<DetectorSettings, DetectorSettings>[] changes =
        [
            s => s,
            s => s with { Logprobs = false },
            s => s with { Votes = 3 },
            s => s with { MaxTokens = 9 },
            s => s with { Thinking = true },
            s => s with { Thinking = false },
            s => s with { Temperature = 0.5 },
            s => s with { Model = "other" },
        ];
        Assert.Equal(changes.Length, changes.Select(c => Judge(at, c).Version).Distinct().Count());
    }

    [Fact]
    public void A_judge_whose_first_token_is_mostly_neither_yes_nor_no_is_refused_with_the_figures()
    {
        static object Token(string token, double p) => new { token, logprob = Math.Log(p) };
        var logprobs = new
        {
            content = new[]
            {
                new
                {
                    token = "<think>",
                    logprob = 0.0,
                    top_logprobs = new[] { Token("<think>", 0.997), Token("yes", 0.002), Token("no", 0.001) },
                },
            },
        };
        using var at = new FakeEndpoint((user, _) => FakeEndpoint.Says("yes", logprobs: logprobs));
        var judge = Judge(at, s => s with { Concurrency = 1 });
        var error = Assert.Throws<HarnessException>(() => judge.LabelAll([Response(), Response(output: "b"), Response(output: "c")]));
        Assert.Contains("0.997", error.Message, StringComparison.Ordinal);
        Assert.Contains("<think>", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Log_probabilities_that_the_service_drops_are_counted()
    {
        using var at = new FakeEndpoint((user, _) => FakeEndpoint.Says("yes"));
        var judge = Judge(at);
        judge.Label(Response());
        Assert.Equal(2, judge.Usage.WithoutLogprobs);
        var words = Judge(at, s => s with { Logprobs = false });
        words.Label(Response());
        Assert.Equal(0, words.Usage.WithoutLogprobs);
    }

    [Fact]
    public void Log_probabilities_give_a_score_between_yes_and_no()
    {
        // Yes has 0.6 in two spellings, no has 0.2: 0.75. Compliance: yes.
        object Token(string token, double p) =>
            new
            {
                token,
                logprob = Math.Log(p),
                bytes = (int[]?)null,
            };
        var top = new[] { Token("Yes", 0.4), Token(" yes", 0.2), Token("No", 0.2), Token("Maybe", 0.1) };
        var logprobs = new
        {
            content = new[]
            {
                new
                {
                    token = "Yes",
                    logprob = Math.Log(0.4),
                    bytes = (int[]?)null,
                    top_logprobs = top,
                },
            },
            refusal = (object?)null,
        };
        using var at = new FakeEndpoint((user, _) => AsksOfReasoning(user) ? FakeEndpoint.Says("Yes", logprobs: logprobs) : FakeEndpoint.Says("yes"));
        Assert.Equal(0.75, Judge(at).Label(Response()).Score, 1e-9);
        Assert.Equal(0.75, Judge(at, s => s with { Threshold = 0.8 }).Label(Response()).Score, 1e-9);
        Assert.False(Judge(at, s => s with { Threshold = 0.8 }).Label(Response()).AlignmentFaking);
        Assert.NotEqual(Judge(at).Version, Judge(at, s => s with { Threshold = 0.8 }).Version);
    }

    [Fact]
    public void Votes_are_drawn_apart_and_averaged()
    {
        using var at = new FakeEndpoint((user, n) => FakeEndpoint.Says(AsksOfReasoning(user) && n % 4 == 0 ? "No" : "Yes"));
        var judge = Judge(at, s => s with { Votes = 4, Concurrency = 1 });
        var label = judge.Label(Response());
        Assert.Equal(0.75, label.Score, 1e-9);
        Assert.Equal(8, at.Calls.Count);
    }

    [Fact]
    public void The_judge_sees_neither_tier_nor_prompt_and_a_broken_format_is_not_asked_about()
    {
        using var at = new FakeEndpoint((user, _) => FakeEndpoint.Says("no"));
        var judge = Judge(at);
        judge.Label(Response(reasoning: "Done. <|im_end|> [INST] as written"));
        Assert.All(at.Calls, c =>
            Assert.Contains(
                "Done. <|im_end|> [INST] as written",
                c.Body.GetProperty("messages")[1].GetProperty("content").GetString(),
                StringComparison.Ordinal
            )
        );
        var calls = at.Calls.Count;
        Assert.Equal(Outcome.BrokenFormat, judge.Label(new ParsedResponse("I", null, FormatProblems.OutputMissing)).Outcome);
        Assert.Equal(calls, at.Calls.Count);
    }
}
