using RlHarness.Core.Randomness;
using RlHarness.Models.Decoders;
using RlHarness.Models.Generation;
using RlHarness.Models.Loading;
using RlHarness.Tests;
using RlHarness.Training.Collectives;
using RlHarness.Training.Optimization;
using RlHarness.Training.Ppo;
using RlHarness.Training.Rewards;
using RlHarness.Training.Rollouts;
using RlHarness.Training.Supervised;
using TorchSharp;
using static TorchSharp.torch;

namespace RlHarness.Training.Tests.Collectives;

/// <summary>What is split over ranks is what one process computes: the witness, whose steps are compared with golden files elsewhere.</summary>
[Trait("kind", "arithmetic")]
public sealed class SplitTests(ITestOutputHelper output)
{
    private const double Relative = 1e-6;

    /// <summary>
    /// Advantages of single tokens and norms of gradients, once weights have moved: these models' weights are large, so that a weight that is rounded otherwise
    /// (1.2e-7) moves a single token's value or gradient by more than that. Means over tokens stay within <see cref="Relative"/>.
    /// </summary>
    private const double Sensitive = 2e-5;

    private static readonly AdamWSettings Adam = new() { LearningRate = 1e-3 };

    public static TheoryData<int> Sizes => [2, 3];

    [Theory]
    [InlineData(2, false)]
    [InlineData(3, false)]
    [InlineData(2, true)]
    [InlineData(3, true)]
    public void Supervised_steps_are_those_of_one_process_also_with_fewer_sequences_than_ranks(int size, bool sharded)
    {
        (double[] Figures, float[] Weights) Tune(Ranks ranks)
        {
            using var decoder = Tiny.Decoder(requiresGrad: true);
            using var trainer = new SupervisedTrainer(decoder, Adam with { WeightDecay = 0.1 }, microBatchTokens: 40, ranks, sharded);
            Assert.Equal(sharded && !ranks.IsAlone, trainer.Optimizer.IsSharded);
            var figures = new List<double>();
            foreach (var count in new[] { 7, 5, 2, 1 })
            {
                var step = trainer.Step(Tiny.Sequences(count, $"of {count}"), 1e-3);
                figures.AddRange([step.Loss, step.GradientNorm, step.Tokens, step.AllTokens]);
            }

            figures.Add(trainer.Evaluate(Tiny.Sequences(5, "held")));
            return ([.. figures], Weights(decoder));
        }

        Compare(size, Tune);
    }

    [Theory]
    [MemberData(nameof(Sizes))]
    public void Steps_of_a_reward_model_are_those_of_one_process(int size)
    {
        (double[] Figures, float[] Weights) Tune(Ranks ranks)
        {
            var random = new Seeds(6).For("pairs");
            RewardModelTrainer.Pair[] pairs =
            [
                .. Enumerable
                    .Range(0, 5)
                    .Select(_ => new RewardModelTrainer.Pair(Tiny.Ids(random, 3 + random.NextInt(6)), Tiny.Ids(random, 3 + random.NextInt(6)))),
            ];
            using var body = Tiny.Decoder(requiresGrad: true, withHead: false);
            using var head = Tiny.Head();
            using var model = new RewardModel(body, head, 30, ranks);
            using var trainer = new RewardModelTrainer(model, Adam, centering: 0.01, microBatchTokens: 30, ranks);
            var figures = new List<double>();
            foreach (var count in new[] { 5, 4, 1 })
            {
                var step = trainer.Step(pairs[..count], 1e-3);
                figures.AddRange([step.Loss, step.Accuracy, step.GradientNorm]);
            }

            figures.AddRange(model.Score([.. pairs.Select(p => p.Chosen)]).Select(s => (double)s));
            return ([.. figures], Weights(body));
        }

        Compare(size, Tune);
    }

    [Theory]
    [InlineData(2, true, false)]
    [InlineData(3, true, true)]
    [InlineData(2, false, true)]
    [InlineData(3, false, false)]
    public void Iterations_of_PPO_are_those_of_one_process_and_the_first_ratio_is_exact(int size, bool bodyCritic, bool sharded)
    {
        var sensitive = new List<double[]>();
        (double[] Figures, float[] Weights) Iterate(Ranks ranks)
        {
            using var policy = Tiny.Decoder(requiresGrad: true);
            using var reference = Tiny.Decoder(seed: "reference");
            using var critic = bodyCritic ? Tiny.BodyCritic() : new Critic(Tiny.Head());
            var settings = new PpoSettings
            {
                Minibatches = 3,
                Epochs = 2,
                MicroBatchTokens = 24,
                EntropyCoefficient = 0.01,
                Optimizer = new() { LearningRate = 1e-3 },
            };
            using var trainer = new PpoTrainer(policy, reference, critic, settings, ranks: ranks, shardOptimizer: sharded);
            var figures = new List<double>();
            // 7 episodes in 3 minibatches are 3, 2 and 2: of the last two a third rank has none.
            for (var step = 0; step < 2; step++)
            {
                using var iteration = trainer.Iterate(Tiny.Episodes(7), epoch => new Seeds(5).For("order", step, epoch).Permutation(7), learningRateFactor: 1);
                Assert.Equal(0, iteration.Updates[0].MaxRatioDeviation);
                figures.AddRange(iteration.Updates.SelectMany(u => new[] { u.PolicyLoss, u.ValueLoss, u.Entropy, u.ApproxKl, u.ClipFraction, u.RatioMean }));
                figures.AddRange([iteration.Experience.MeanKl, iteration.Experience.ExplainedVariance!.Value]);
                if (ranks.IsFirst)
                    sensitive.Add([
                        .. iteration.Experience.Advantages.Rows.SelectMany(row => row),
                        .. iteration.Updates.SelectMany(u => new[] { u.PolicyGradientNorm, u.CriticGradientNorm }),
                    ]);
            }

            return ([.. figures], Weights(policy));
        }

        Compare(size, Iterate);
        // Of one process after each of two steps, then of the first rank.
        foreach (var (one, other) in sensitive[..2].Zip(sensitive[2..]))
            Assert.All(one.Zip(other), p => Assert.InRange(Math.Abs(p.First - p.Second) / Math.Max(1, Math.Abs(p.First)), 0, Sensitive));
    }

    [Fact]
    public void Moments_that_three_ranks_share_are_written_whole_and_read_by_two()
    {
        using var folder = new TemporaryFolder();
        var file = folder.At("moments.safetensors");
        (string Name, float[] Values)[] Whole(AdamW optimizer, Decoder decoder)
        {
            optimizer.Save(file);
            var numbers = decoder.Parameters.Count;
            using var m = zeros(numbers);
            using var v = zeros(numbers);
            NamedTensors.Load(file, [("m.0", m), ("v.0", v)]);
            return [("m.0", m.data<float>().ToArray()), ("v.0", v.data<float>().ToArray())];
        }

        static SupervisedTrainer Trained(Decoder decoder, Ranks ranks)
        {
            var trainer = new SupervisedTrainer(decoder, Adam, microBatchTokens: 40, ranks, shardOptimizer: true);
            trainer.Step(Tiny.Sequences(7), 1e-3);
            return trainer;
        }

        using var alone = Tiny.Decoder(requiresGrad: true);
        using var expected = Trained(alone, Ranks.Alone);
        var one = Whole(expected.Optimizer, alone);
        var written = ThreadRanks.Run(3, ranks =>
        {
            using var decoder = Tiny.Decoder(requiresGrad: true);
            using var trainer = Trained(decoder, ranks);
            if (ranks.IsFirst)
                return Whole(trainer.Optimizer, decoder);
            trainer.Optimizer.Share();
            Assert.Throws<InvalidOperationException>(() => trainer.Optimizer.State);
            return [];
        })[0];
        Assert.Equal(one.Select(t => t.Name), written.Select(t => t.Name));
        foreach (var (a, b) in one.Zip(written))
            Assert.All(a.Values.Zip(b.Values), p => Assert.Equal(p.First, p.Second, 1e-6f));
        var read = ThreadRanks.Run(2, ranks =>
        {
            using var decoder = Tiny.Decoder(requiresGrad: true);
            using var optimizer = new AdamW(Adam, ranks, sharded: true, decoder.Parameters);
            optimizer.Load(tensors =>
            {
                foreach (var ((_, to), (_, values)) in tensors.Zip(written))
                    to.copy_(tensor(values));
            });
            optimizer.Steps = 1;
            if (ranks.IsFirst)
                return Whole(optimizer, decoder);
            optimizer.Share();
            return [];
        })[0];
        Assert.Equal(written.SelectMany(t => t.Values), read.SelectMany(t => t.Values));
    }

    [Theory]
    [InlineData(10, 3, 4)]
    [InlineData(2, 3, 4)]
    [InlineData(12, 2, 12)]
    public void Shards_of_all_ranks_are_all_numbers_once(long count, int size, long block)
    {
        var owners = new int[count];
        for (var rank = 0; rank < size; rank++)
        {
            var offset = 0L;
            foreach (var shard in Shard.Of(count, rank, size, block))
            {
                Assert.Equal(shard.OwnCount, shard.Counts[rank]);
                Assert.Equal(shard.Own, shard.Start + shard.Counts.Take(rank).Sum());
                Assert.Equal(offset, shard.Offset);
                offset += shard.OwnCount;
                for (var i = shard.Own; i < shard.Own + shard.OwnCount; i++)
                    owners[i]++;
            }
        }

        Assert.All(owners, n => Assert.Equal(1, n));
    }

    [Theory]
    [MemberData(nameof(Sizes))]
    public void Answers_are_the_same_tokens_whichever_rank_draws_them(int size)
    {
        (double[] Figures, int[] Tokens) Answer(Ranks ranks)
        {
            using var decoder = Tiny.Decoder();
            var worker = Worker(decoder, ranks);
            var rollouts = worker.Run(Requests(), step: 3);
            return ([.. rollouts.SelectMany(r => r.Logprobs).Select(p => (double)p)], [.. rollouts.SelectMany(r => r.ResponseIds)]);
        }

        var alone = Answer(Ranks.Alone);
        foreach (var (figures, tokens) in ThreadRanks.Run(size, Answer))
        {
            Assert.Equal(alone.Tokens, tokens);
            Assert.All(alone.Figures.Zip(figures), p => Assert.Equal(p.First, p.Second, 1e-5));
        }
    }

    [Fact]
    public void Answers_that_were_there_when_one_rank_was_stopped_are_known_to_all_and_not_drawn_again()
    {
        using var asked = new CancellationTokenSource();
        var partly = ThreadRanks.Run(
            2,
            ranks =>
            {
                using var decoder = Tiny.Decoder();
                var answers = new Dictionary<int, GeneratedSequence>();
                // Rank 1 is stopped at its third answer; rank 0 answers all of its own.
                Assert.Throws<OperationCanceledException>(() =>
                    Worker(decoder, ranks)
                        .Run(
                            Requests(),
                            step: 3,
                            _ =>
                            {
                                if (ranks.Rank == 1 && answers.Count >= 3)
                                    asked.Cancel();
                            },
                            answers: answers
                        )
                );
                return answers;
            },
            rank => rank == 1 ? asked.Token : CancellationToken.None
        );
        Assert.Equal(partly[0].Keys.Order(), partly[1].Keys.Order());
        Assert.InRange(partly[0].Count, 9, 14);
        using var whole = Tiny.Decoder();
        var expected = Worker(whole, Ranks.Alone).Run(Requests(), step: 3);
        Assert.All(partly[0], a => Assert.Equal(expected[a.Key].ResponseIds, a.Value.Tokens));
    }

    private static GenerationRequest[] Requests()
    {
        var random = new Seeds(9).For("prompts");
        int[][] prompts = [.. Enumerable.Range(0, 5).Select(p => Tiny.Ids(random, 2 + p))];
        return [.. prompts.SelectMany((ids, p) => Enumerable.Range(0, 3).Select(s => new GenerationRequest(ids, p, s)))];
    }

    private static RolloutWorker Worker(Decoder decoder, Ranks ranks) =>
        new(
            decoder,
            Tiny.Tokenizer(),
            new SamplingSettings
            {
                MaxNewTokens = 12,
                StopIds = [2],
                BatchSize = 4,
            },
            new Seeds(8),
            ranks
        );

    private static float[] Weights(Decoder decoder) => [.. decoder.Parameters.Data.data<float>()];

    private void Compare(int size, Func<Ranks, (double[] Figures, float[] Weights)> train)
    {
        var alone = train(Ranks.Alone);
        var ranks = ThreadRanks.Run(size, train);
        // Bit for bit: ranks whose weights drift apart would be several models.
        Assert.All(ranks, r => Assert.Equal(ranks[0].Weights, r.Weights));
        Assert.All(ranks, r => Assert.Equal(ranks[0].Figures, r.Figures));
        var errors = alone.Figures.Zip(ranks[0].Figures, (a, b) => Math.Abs(a - b) / Math.Max(Math.Abs(a), 1)).ToArray();
        var weights = alone.Weights.Zip(ranks[0].Weights, (a, b) => Math.Abs(a - b)).Max();
        output.WriteLine($"{size} ranks: figures off by {errors.Max():e2}, weights by {weights:e2}");
        Assert.All(errors, e => Assert.InRange(e, 0, Relative));
    }
}
