using RlHarness.Core.Errors;
using RlHarness.Core.Randomness;
using RlHarness.Models.Decoders;
using RlHarness.Models.Generation;
using RlHarness.Tests;
using RlHarness.Training.Algorithms;
using RlHarness.Training.Collectives;
using RlHarness.Training.Optimization;
using RlHarness.Training.Ppo;
using RlHarness.Training.Rewards;
using RlHarness.Training.Rollouts;
using RlHarness.Training.Supervised;
using TorchSharp;
using static TorchSharp.torch;

namespace RlHarness.Training.Tests.Collectives;

/// <summary>What is split over ranks is what one process computes. The witness is the process alone, whose steps are compared with golden files elsewhere.</summary>
[Trait("kind", "arithmetic")]
public sealed class SplitTests(ITestOutputHelper output)
{
    private const double Relative = 1e-6;
    private static readonly AdamWSettings Adam = new() { LearningRate = 1e-3 };

    public static TheoryData<int> Sizes => [2, 3];

    [Theory]
    [MemberData(nameof(Sizes))]
    public void Supervised_steps_are_those_of_one_process_also_with_fewer_sequences_than_ranks(int size)
    {
        (double[] Figures, float[] Weights) Tune(Ranks ranks)
        {
            using var decoder = Tiny.Decoder(requiresGrad: true);
            using var trainer = new SupervisedTrainer(decoder, Adam, microBatchTokens: 40, ranks);
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
    [InlineData(2, true)]
    [InlineData(3, true)]
    [InlineData(2, false)]
    [InlineData(3, false)]
    public void Iterations_of_PPO_are_those_of_one_process_and_the_first_ratio_is_exact(int size, bool bodyCritic)
    {
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
            using var trainer = new PpoTrainer(policy, reference, critic, settings, ranks: ranks);
            var figures = new List<double>();
            // 7 episodes in 3 minibatches are 3, 2 and 2: of the last two a third rank has none.
            for (var step = 0; step < 2; step++)
            {
                using var iteration = trainer.Iterate(
                    Tiny.Episodes(7),
                    epoch => new Seeds(5).For("order", step, epoch).Permutation(7),
                    learningRateFactor: 1
                );
                Assert.Equal(0, iteration.Updates[0].MaxRatioDeviation);
                figures.AddRange(iteration.Updates.SelectMany(u =>
                    new[] { u.PolicyLoss, u.ValueLoss, u.Entropy, u.ApproxKl, u.ClipFraction, u.RatioMean, u.PolicyGradientNorm, u.CriticGradientNorm }
                ));
                figures.AddRange([iteration.Experience.MeanKl, iteration.Experience.ExplainedVariance!.Value]);
                figures.AddRange(iteration.Experience.Advantages.Rows.SelectMany(row => row));
            }

            return ([.. figures], Weights(policy));
        }

        Compare(size, Iterate);
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
        return [.. Enumerable.Range(0, 5).SelectMany(p => Tiny.Ids(random, 2 + p) is var ids ? Enumerable.Range(0, 3).Select(s => new GenerationRequest(ids, p, s)) : [])];
    }

    private static RolloutWorker Worker(Decoder decoder, Ranks ranks) =>
        new(decoder, Tiny.Tokenizer(), new SamplingSettings { MaxNewTokens = 12, StopIds = [2], BatchSize = 4 }, new Seeds(8), ranks);

    private static float[] Weights(Decoder decoder) => [.. decoder.Parameters.Data.data<float>()];

    private void Compare(int size, Func<Ranks, (double[] Figures, float[] Weights)> train)
    {
        var alone = train(Ranks.Alone);
        var ranks = ThreadRanks.Run(size, train);
        // Bit for bit: ranks whose weights drift apart would be several models.
        Assert.All(ranks, r => Assert.Equal(ranks[0].Weights, r.Weights));
        Assert.All(ranks, r => Assert.Equal(ranks[0].Figures, r.Figures));
        var errors = alone.Figures.Zip(ranks[0].Figures, (a, b) => Math.Abs(a - b) / Math.Max(Math.Abs(a), 1)).ToArray();
        output.WriteLine($"{size} ranks: figures off by {errors.Max():e2}, weights by {alone.Weights.Zip(ranks[0].Weights, (a, b) => Math.Abs(a - b)).Max():e2}");
        Assert.All(errors, e => Assert.InRange(e, 0, Relative));
    }
}
