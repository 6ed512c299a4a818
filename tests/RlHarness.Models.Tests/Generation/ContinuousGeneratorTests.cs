using System.Collections.Concurrent;
using RlHarness.Core.Errors;
using RlHarness.Core.Randomness;
using RlHarness.Models.Decoders;
using RlHarness.Models.Families;
using RlHarness.Models.Generation;
using static TorchSharp.torch;

namespace RlHarness.Models.Tests.Generation;

[Trait("kind", "contract")]
public sealed class ContinuousGeneratorTests
{
    private static readonly Seeds Seeds = new(5);

    private sealed class Answer(GenerationRequest request, SamplingSettings settings, int? top = null, CancellationToken cancellation = default)
    {
        private readonly TaskCompletionSource<FinishReason> _end = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public ConcurrentQueue<LiveToken> Tokens { get; } = [];

        public Task<FinishReason> End => _end.Task;

        public Func<LiveToken, bool> GoesOn { get; init; } = _ => true;

        public LiveSequence Sequence =>
            field ??= new(
                request,
                settings,
                Seeds.For("sample", 0, request.Prompt, request.Sample),
                token =>
                {
                    Tokens.Enqueue(token);
                    return GoesOn(token);
                },
                (finish, error) => _ = error is null ? _end.TrySetResult(finish!.Value) : _end.TrySetException(error),
                cancellation
            )
            {
                TopLogprobs = top,
            };
    }

    private static int[] Prompt(int i) =>
        // Most begin with the same 17 tokens, some are short, and some are the same.
        i % 5
        == 4
            ? [3 + (i % 7), 9]
            : [.. Enumerable.Range(40, 17), 100 + (i % 11), .. Enumerable.Range(7, i % 4)];

    [Theory]
    [InlineData(null)]
    [InlineData(12)]
    public async Task Sequences_that_come_at_any_time_have_the_tokens_that_the_batch_generator_draws(int? window)
    {
        var config = Tiny.Config with { SlidingWindow = window, SlidingLayers = [true, false] };
        using var decoder = new Decoder(config, CPU);
        Initialization.Normal(decoder, 0.3, new Seeds(1).For("weights"));
        SamplingSettings[] settings =
        [
            new() { MaxNewTokens = 20, StopIds = [2, 17] },
            new()
            {
                MaxNewTokens = 9,
                Temperature = 0.7,
                TopP = 0.9,
            },
            new() { MaxNewTokens = 20, Temperature = 0 },
            new()
            {
                MaxNewTokens = 14,
                RepetitionPenalty = 1.3,
                TopK = 40,
            },
        ];
        var requests = Enumerable.Range(0, 60).Select(i => (Request: new GenerationRequest(Prompt(i), i % 6, i / 6), Settings: settings[i % 4])).ToArray();
        var expected = requests.Select(r => new BatchGenerator(decoder).Generate([r.Request], r.Settings, Seeds)[0]).ToArray();

        // Three rows for sixty sequences: the column passes the cache's first end more than once.
        using var generator = new ContinuousGenerator(decoder, rows: 3);
        var answers = requests.Select(r => new Answer(r.Request, r.Settings)).ToArray();
        foreach (var some in answers.Chunk(7))
        {
            Assert.True(generator.TryAdd([.. some.Select(a => a.Sequence)], most: 60));
            await some[0].End;
        }

        for (var i = 0; i < answers.Length; i++)
        {
            Assert.Equal(expected[i].Finish, await answers[i].End);
            Assert.Equal(expected[i].Tokens, answers[i].Tokens.Select(t => t.Id));
            foreach (var (token, logprob) in answers[i].Tokens.Zip(expected[i].Logprobs))
                Assert.Equal(logprob, token.Logprob, 1e-4f);
        }
    }

    [Fact]
    public async Task Alternatives_are_those_of_a_whole_pass_whatever_the_temperature()
    {
        using var decoder = Tiny.Decoder();
        using var generator = new ContinuousGenerator(decoder, rows: 2);
        var answer = new Answer(new(Prompt(1), 0), new() { MaxNewTokens = 5, Temperature = 2 }, top: 3);
        var other = new Answer(new(Prompt(2), 1), new() { MaxNewTokens = 5, Temperature = 2 });
        Assert.True(generator.TryAdd([answer.Sequence, other.Sequence], 0));
        await answer.End;
        await other.End;
        Assert.All(other.Tokens, t => Assert.Empty(t.Top));
        using var scope = NewDisposeScope();
        using var guard = no_grad();
        List<int> ids = [.. Prompt(1)];
        foreach (var token in answer.Tokens)
        {
            using var batch = TokenBatch.Pack([ids], CPU);
            var logp = nn.functional.log_softmax(decoder.Logits(decoder.Forward(batch))[ids.Count - 1], -1);
            Assert.Equal(logp[token.Id].item<float>(), token.Logprob, 1e-4f);
            var (values, order) = logp.topk(3);
            Assert.Equal(order.data<long>().ToArray().Select(i => (int)i), token.Top.Select(t => t.Id));
            Assert.All(values.data<float>().ToArray().Zip(token.Top), p => Assert.Equal(p.First, p.Second.Logprob, 1e-4f));
            ids.Add(token.Id);
        }
    }

    [Fact]
    public async Task Who_goes_gives_up_its_place_and_others_are_not_disturbed()
    {
        using var decoder = Tiny.Decoder();
        var settings = new SamplingSettings { MaxNewTokens = 30 };
        var expected = new BatchGenerator(decoder).Generate([new(Prompt(0), 0)], settings, Seeds)[0];
        using var generator = new ContinuousGenerator(decoder, rows: 2);
        using var gone = new CancellationTokenSource();
        var leaves = new Answer(new(Prompt(1), 1), settings, cancellation: gone.Token)
        {
            GoesOn = t =>
            {
                gone.Cancel();
                return true;
            },
        };
        var stays = new Answer(new(Prompt(0), 0), settings);
        var stopped = new Answer(new(Prompt(2), 2), settings) { GoesOn = _ => false };
        Assert.True(generator.TryAdd([leaves.Sequence, stays.Sequence, stopped.Sequence], most: 1));
        Assert.Equal(FinishReason.Length, await stays.End);
        Assert.Equal(FinishReason.StopString, await stopped.End);
        Assert.Equal(expected.Tokens, stays.Tokens.Select(t => t.Id));
        Assert.Single(leaves.Tokens);
        Assert.Single(stopped.Tokens);
        Assert.False(leaves.End.IsCompleted);
    }

    [Fact]
    public async Task More_than_may_wait_are_refused_and_what_is_in_hand_when_it_stops_is_told()
    {
        using var decoder = Tiny.Decoder();
        var settings = new SamplingSettings { MaxNewTokens = 40 };
        using var held = new SemaphoreSlim(0);
        var first = new Answer(new(Prompt(0), 0), settings)
        {
            GoesOn = _ =>
            {
                held.Wait();
                return true;
            },
        };
        var waits = new Answer(new(Prompt(1), 1), settings);
        var generator = new ContinuousGenerator(decoder, rows: 1);
        Assert.True(generator.TryAdd([first.Sequence, waits.Sequence], most: 1));
        Assert.False(generator.TryAdd([new Answer(new(Prompt(2), 2), settings).Sequence], most: 1));
        var error = Assert.Throws<HarnessException>(() => generator.TryAdd([new Answer(new([Tiny.Vocabulary], 3), settings).Sequence], most: 9));
        Assert.Equal(ErrorKind.BadInput, error.Kind);
        error = Assert.Throws<HarnessException>(() => generator.TryAdd([new Answer(new(Prompt(0), 3), settings with { MaxNewTokens = 60 }).Sequence], most: 9));
        Assert.Contains("context", error.Message, StringComparison.Ordinal);
        var stopping = Task.Run(generator.Dispose);
        held.Release(100);
        await stopping;
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => first.End);
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => waits.End);
        Assert.False(generator.TryAdd([new Answer(new(Prompt(2), 2), settings).Sequence], most: 9));
    }
}
