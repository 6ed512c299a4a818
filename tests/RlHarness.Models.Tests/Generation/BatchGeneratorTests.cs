using RlHarness.Core.Errors;
using RlHarness.Core.Randomness;
using RlHarness.Models.Decoders;
using RlHarness.Models.Generation;
using RlHarness.Tests;
using TorchSharp;
using static TorchSharp.torch;

namespace RlHarness.Models.Tests.Generation;

[Trait("kind", "contract")]
public sealed class BatchGeneratorTests
{
    private static readonly SamplingSettings Greedy = new() { Temperature = 0, MaxNewTokens = 12 };
    private static readonly Seeds Seeds = new(1);
    private static readonly int[][] Prompts =
    [
        [3, 14, 15],
        [9],
        [26, 5, 35, 8, 9, 7, 9],
    ];

    private static GenerationRequest[] Requests => [.. Prompts.Select((p, i) => new GenerationRequest(p, i))];

    [Fact]
    public void Greedy_tokens_with_the_cache_are_the_argmax_of_whole_passes_and_so_are_their_log_probabilities()
    {
        using var scope = NewDisposeScope();
        using var guard = no_grad();
        using var decoder = Tiny.Decoder();
        var results = new BatchGenerator(decoder).Generate(Requests, Greedy, Seeds);
        for (var i = 0; i < Prompts.Length; i++)
        {
            var ids = Prompts[i].ToList();
            for (var t = 0; t < 12; t++)
            {
                using var batch = TokenBatch.Pack([ids], CPU);
                var logp = nn.functional.log_softmax(decoder.Logits(decoder.Forward(batch))[ids.Count - 1], -1);
                var next = (int)logp.argmax().item<long>();
                Assert.Equal(next, results[i].Tokens[t]);
                Assert.Equal(logp[next].item<float>(), results[i].Logprobs[t], 1e-4f);
                ids.Add(next);
            }
        }
    }

    [Fact]
    public void Parts_whose_answers_are_known_are_not_computed_again_and_others_are_computed_whole()
    {
        using var decoder = Tiny.Decoder();
        // Longest first, one at a time, four to a part: the parts are {2, 5, 0, 3} and {6, 1, 4, 7}.
        var settings = Greedy with { BatchSize = 1 };
        var requests = Enumerable.Range(0, 8).Select(i => new GenerationRequest(Prompts[i % 3], i)).ToArray();
        var answers = new Dictionary<int, GeneratedSequence>();
        var finished = new List<int>();
        var whole = new BatchGenerator(decoder).Generate(requests, settings, Seeds, answers: answers);
        Assert.Equal(whole, Enumerable.Range(0, 8).Select(i => answers[i]));
        // Marked, so that it shows which is taken: of the first part one is missing.
        GeneratedSequence Marked(int i) => new(requests[i], [i], [0], FinishReason.Length);
        answers = new[] { 2, 5, 0, 6, 1, 4, 7 }.ToDictionary(i => i, Marked);
        var resumed = new BatchGenerator(decoder).Generate(requests, settings, Seeds, onFinished: finished.Add, answers: answers);
        Assert.All(new[] { 6, 1, 4, 7 }, i => Assert.Equal([i], resumed[i].Tokens));
        foreach (var i in new[] { 2, 5, 0, 3 })
        {
            Assert.Equal(whole[i].Tokens, resumed[i].Tokens);
            Assert.Equal(whole[i].Logprobs, resumed[i].Logprobs);
            Assert.Same(resumed[i], answers[i]);
        }

        Assert.Equal([5, 6, 7, 8], finished);
    }

    [Fact]
    public void Generation_in_bfloat16_has_the_log_probabilities_of_whole_passes_in_bfloat16()
    {
        using var scope = NewDisposeScope();
        using var guard = no_grad();
        using var decoder = Tiny.Decoder();
        decoder.ComputeType = ScalarType.BFloat16;
        var result = new BatchGenerator(decoder).Generate(Requests, Greedy with { Temperature = 1 }, Seeds)[0];
        using var batch = TokenBatch.Pack(
            [
                [.. Prompts[0], .. result.Tokens],
            ],
            CPU
        );
        var logp = nn.functional.log_softmax(decoder.Logits(decoder.Forward(batch)), -1);
        // attention of a step and of a whole pass round differently: 8 bits of mantissa
        for (var t = 0; t < result.Tokens.Count; t++)
            Assert.Equal(logp[Prompts[0].Length - 1 + t, result.Tokens[t]].item<float>(), result.Logprobs[t], 0.15f);
    }

    [Fact]
    public void Batches_side_by_side_in_bfloat16_have_the_log_probabilities_of_one_batch()
    {
        using var decoder = Tiny.Decoder();
        decoder.ComputeType = ScalarType.BFloat16;
        var requests = Enumerable.Range(0, 32).Select(i => new GenerationRequest(Prompts[i % 3], i)).ToArray();
        var whole = new BatchGenerator(decoder).Generate(requests, Greedy with { MaxNewTokens = 1 }, Seeds);
        using var threads = new Threads(2);
        var cut = new BatchGenerator(decoder).Generate(requests, Greedy with { MaxNewTokens = 1 }, Seeds);
        for (var i = 0; i < requests.Length; i++)
            Assert.Equal(whole[i].Logprobs[0], cut[i].Logprobs[0], 0.02f);
    }

    [Fact]
    public void An_answer_has_at_most_the_allowed_number_of_tokens_and_says_that_it_was_cut()
    {
        using var decoder = Tiny.Decoder();
        foreach (var limit in new[] { 1, 5 })
            Assert.All(new BatchGenerator(decoder).Generate(Requests, Greedy with { MaxNewTokens = limit }, Seeds), r =>
            {
                Assert.Equal(limit, r.Tokens.Count);
                Assert.Equal(limit, r.Logprobs.Count);
                Assert.Equal(FinishReason.Length, r.Finish);
            });
    }

    [Fact]
    public void A_stop_id_ends_an_answer_and_is_its_last_token_but_not_before_the_least_number()
    {
        using var decoder = Tiny.Decoder();
        var all = Enumerable.Range(0, Tiny.Vocabulary / 2).ToArray();
        var settings = new SamplingSettings { MaxNewTokens = 30, StopIds = all };
        var early = new BatchGenerator(decoder).Generate(Requests, settings, Seeds);
        Assert.All(early, r =>
        {
            Assert.Equal(FinishReason.Stop, r.Finish);
            Assert.True(r.Tokens[^1] < Tiny.Vocabulary / 2);
            Assert.All(r.Tokens.SkipLast(1), t => Assert.True(t >= Tiny.Vocabulary / 2));
        });
        Assert.Contains(early, r => r.Tokens.Count < 8);
        Assert.All(new BatchGenerator(decoder).Generate(Requests, settings with { MinNewTokens = 8 }, Seeds), r =>
            Assert.All(r.Tokens.Take(8), t => Assert.True(t >= Tiny.Vocabulary / 2))
        );
    }

    [Fact]
    public void A_stop_string_ends_an_answer_also_across_tokens()
    {
        var tokenizer = Tiny.Tokenizer();
        using var decoder = Tiny.Decoder();
        var generator = new BatchGenerator(decoder, tokenizer);
        // only letters may be drawn: ids beyond the tokenizer's are never likely when their head rows are far below
        using (no_grad())
            decoder.Parameters[ParameterLayout.Head].narrow(0, tokenizer.VocabularySize, Tiny.Vocabulary - tokenizer.VocabularySize).zero_();
        var free = generator.Generate(Requests, Greedy with { MaxNewTokens = 20 }, Seeds)[0];
        var text = tokenizer.Decode(free.Tokens.Take(8));
        var stop = text[^3..];
        var at = tokenizer.Decode(free.Tokens).IndexOf(stop, StringComparison.Ordinal);
        var stopped = generator.Generate(Requests, Greedy with { MaxNewTokens = 20, StopStrings = ["never appears", stop] }, Seeds)[0];
        Assert.Equal(FinishReason.StopString, stopped.Finish);
        Assert.Equal(free.Tokens.Take(stopped.Tokens.Count), stopped.Tokens);
        Assert.EndsWith(stop, tokenizer.Decode(stopped.Tokens)[..(at + stop.Length)], StringComparison.Ordinal);
        Assert.DoesNotContain(stop, tokenizer.Decode(stopped.Tokens.SkipLast(1)), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("empty")]
    [InlineData("outside the vocabulary")]
    [InlineData("do not fit")]
    [InlineData("stop strings need a tokenizer")]
    public void A_request_that_cannot_be_answered_is_refused_in_words(string what)
    {
        using var decoder = Tiny.Decoder();
        int[][] prompts = what switch
        {
            "empty" =>
            [
                [1],
                [],
            ],
            "outside the vocabulary" =>
            [
                [1],
                [1, Tiny.Vocabulary],
            ],
            "do not fit" =>
            [
                [.. Enumerable.Repeat(1, 60)],
            ],
            _ =>
            [
                [1],
            ],
        };
        var settings = Greedy with { StopStrings = what.StartsWith("stop", StringComparison.Ordinal) ? ["x"] : [] };
        var error = Assert.Throws<HarnessException>(() =>
            new BatchGenerator(decoder).Generate([.. prompts.Select((p, i) => new GenerationRequest(p, i))], settings, Seeds)
        );
        Assert.Equal(ErrorKind.BadInput, error.Kind);
        Assert.Contains(what, error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_negative_id_is_refused()
    {
        using var decoder = Tiny.Decoder();
        Assert.Throws<HarnessException>(() => new BatchGenerator(decoder).Generate([new([1, -1], 0)], Greedy, Seeds));
    }

    [Fact]
    public void A_prompt_that_just_fits_is_answered()
    {
        using var decoder = Tiny.Decoder();
        Assert.Equal(12, new BatchGenerator(decoder).Generate([new([.. Enumerable.Repeat(1, 52)], 0)], Greedy, Seeds)[0].Tokens.Count);
    }

    [Fact]
    public void Nothing_asked_is_nothing_answered()
    {
        using var decoder = Tiny.Decoder();
        Assert.Empty(new BatchGenerator(decoder).Generate([], Greedy, Seeds));
    }

    [Fact]
    public void Cancellation_is_heard_between_tokens()
    {
        using var decoder = Tiny.Decoder();
        using var stop = new CancellationTokenSource();
        Assert.ThrowsAny<OperationCanceledException>(() =>
            new BatchGenerator(decoder).Generate(Requests, Greedy with { BatchSize = 1 }, Seeds, onFinished: _ => stop.Cancel(), cancellation: stop.Token)
        );
    }

    [Fact]
    public void Generation_leaves_no_tensor_behind()
    {
        using var decoder = Tiny.Decoder();
        var generator = new BatchGenerator(decoder);
        var settings = new SamplingSettings
        {
            MaxNewTokens = 12,
            MinNewTokens = 2,
            StopIds = [.. Enumerable.Range(0, 100)],
            TopP = 0.9,
            RepetitionPenalty = 1.1,
            BatchSize = 2,
        };
        generator.Generate(Requests, settings, Seeds);
        var before = DisposeScopeManager.Statistics.ThreadTotalLiveCount;
        generator.Generate(Requests, settings, Seeds);
        Assert.Equal(before, DisposeScopeManager.Statistics.ThreadTotalLiveCount);
    }

    /// <summary>
    /// Thirty answers of very different lengths in four places: each is what it is when it is alone, with the kernel of one step and with libtorch's products
    /// (heads of 16 and of 12), and none waits for the slowest of a batch.
    /// </summary>
    [Theory]
    [InlineData(16)]
    [InlineData(12)]
    public void An_answer_that_is_finished_makes_place_for_one_that_waits_without_changing_a_token(int head)
    {
        using var decoder = Tiny.Decoder(head);
        var random = new Seeds(8).For("prompts");
        GenerationRequest[] requests =
        [
            .. Enumerable
                .Range(0, 30)
                .Select(i => new GenerationRequest([.. Enumerable.Range(0, 1 + random.NextInt(20)).Select(_ => random.NextInt(Tiny.Vocabulary))], i)),
        ];
        // A few of the tokens end an answer, so that some are short and some are cut.
        var settings = new SamplingSettings { MaxNewTokens = 40, StopIds = [.. Enumerable.Range(0, Tiny.Vocabulary / 12)] };
        var generator = new BatchGenerator(decoder);
        var together = generator.Generate(requests, settings with { BatchSize = 4 }, Seeds);
        Assert.Contains(together, r => r.Tokens.Count <= 5);
        Assert.Contains(together, r => r.Tokens.Count == 40);
        for (var i = 0; i < requests.Length; i++)
        {
            var alone = generator.Generate([requests[i]], settings, Seeds)[0];
            Assert.Equal(alone.Tokens, together[i].Tokens);
            Assert.Equal(alone.Finish, together[i].Finish);
            for (var t = 0; t < alone.Tokens.Count; t++)
                Assert.Equal(alone.Logprobs[t], together[i].Logprobs[t], 1e-4f);
        }
    }

    [Fact]
    public void Answers_that_came_later_have_their_least_number_of_tokens_too()
    {
        using var decoder = Tiny.Decoder();
        var requests = Enumerable.Range(0, 12).Select(i => new GenerationRequest(Prompts[i % 3], i)).ToArray();
        var settings = new SamplingSettings
        {
            MaxNewTokens = 20,
            MinNewTokens = 6,
            BatchSize = 3,
            StopIds = [.. Enumerable.Range(0, Tiny.Vocabulary / 2)],
        };
        Assert.All(new BatchGenerator(decoder).Generate(requests, settings, Seeds), r =>
        {
            Assert.All(r.Tokens.Take(6), t => Assert.True(t >= Tiny.Vocabulary / 2));
            Assert.InRange(r.Tokens.Count, 7, 20);
        });
    }
}
