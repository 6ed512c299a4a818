using RlHarness.Training.Losses;
using RlHarness.Training.Ppo;

namespace RlHarness.Training.Tests.Ppo;

[Trait("kind", "arithmetic")]
public sealed class MinibatchTests
{
    [Theory]
    [InlineData(10, 4, new[] { 3, 3, 2, 2 })]
    [InlineData(9, 4, new[] { 3, 2, 2, 2 })]
    [InlineData(5, 4, new[] { 2, 1, 1, 1 })]
    [InlineData(9, 8, new[] { 2, 1, 1, 1, 1, 1, 1, 1 })]
    [InlineData(65, 8, new[] { 9, 8, 8, 8, 8, 8, 8, 8 })]
    [InlineData(64, 4, new[] { 16, 16, 16, 16 })]
    [InlineData(7, 1, new[] { 7 })]
    public void There_are_as_many_as_set_and_their_sizes_differ_by_one_at_most(int episodes, int minibatches, int[] sizes)
    {
        using var trainer = Trainer(minibatches);
        var parts = trainer.Value.Minibatches([.. Enumerable.Range(0, episodes)]);
        Assert.Equal(sizes, parts.Select(p => p.Count));
        Assert.Equal(Enumerable.Range(0, episodes), parts.SelectMany(p => p));
    }

    [Fact]
    public void Fewer_episodes_than_minibatches_are_refused()
    {
        using var trainer = Trainer(4);
        Assert.Throws<ArgumentException>(() => trainer.Value.Minibatches([0, 1, 2]));
    }

    [Fact]
    public void Figures_of_a_step_are_means_over_its_tokens()
    {
        // 10 tokens of 2 sequences and 30 of 3: token means weigh 1 to 3, sequence means 2 to 3, norms alike.
        var updates = new[] { Update(sequences: 2, tokens: 10, figure: 1, ratio: 0.98), Update(sequences: 3, tokens: 30, figure: 5, ratio: 1.04) };
        var step = IterationResult.Of(updates, LossNormalization.Token);
        Assert.Equal((4.0, 4.0, 4.0, 4.0, 4.0, 4.0), (step.PolicyLoss, step.ValueLoss, step.Entropy, step.ApproxKl, step.ClipFraction, step.ValueClipFraction));
        Assert.Equal((3.0, 3.0), (step.PolicyGradientNorm, step.CriticGradientNorm));
        Assert.Equal((0.98 + 3 * 1.04) / 4, step.RatioMean, 1e-12);
        Assert.Equal(3.4, IterationResult.Of(updates, LossNormalization.Sequence).PolicyLoss, 1e-12);
    }

    [Fact]
    public void The_ratio_s_variance_is_TRL_s_that_of_the_minibatch_means()
    {
        // Means 0.9, 1, 1.2: their mean is 31/30, squared deviations 16/900, 1/900, 25/900, divided by 2.
        var updates = new[] { 0.9, 1, 1.2 }.Select(r => Update(1, 1, 0, r)).ToArray();
        Assert.Equal(42 / 1800.0, IterationResult.Of(updates, LossNormalization.Token).RatioVariance!.Value, 1e-12);
        Assert.Null(IterationResult.Of(updates[..1], LossNormalization.Token).RatioVariance);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(4)]
    public void Entropy_and_value_loss_of_weights_that_do_not_move_are_those_of_one_minibatch(int minibatches)
    {
        (double Entropy, double ValueLoss) Step(int parts)
        {
            using var trainer = Trainer(parts);
            var episodes = Tiny.Episodes(7);
            int[] order = [4, 0, 6, 2, 5, 1, 3];
            var experience = trainer.Value.Prepare(episodes, order);
            var updates = trainer.Value.Minibatches(order).Select((m, i) => trainer.Value.Update(experience, m, 0, i, learningRateFactor: 0)).ToArray();
            var step = IterationResult.Of(updates, LossNormalization.Token);
            return (step.Entropy, step.ValueLoss);
        }

        var (expected, got) = (Step(1), Step(minibatches));
        Assert.Equal(expected.Entropy, got.Entropy, 1e-5);
        Assert.Equal(expected.ValueLoss, got.ValueLoss, 1e-5);
    }

    private static MinibatchResult Update(int sequences, long tokens, double figure, double ratio) =>
        new(0, 0, sequences, tokens, figure, figure, figure, figure, figure, figure, ratio, 0, figure, figure);

    private static Owned Trainer(int minibatches) => new(minibatches);

    /// <summary>A trainer with the models that it trains.</summary>
    private sealed class Owned : IDisposable
    {
        private readonly Models.Decoders.Decoder _policy = Tiny.Decoder(requiresGrad: true);
        private readonly Models.Decoders.Decoder _reference = Tiny.Decoder(seed: "reference");
        private readonly Critic _critic = Tiny.BodyCritic();

        internal Owned(int minibatches) => Value = new(_policy, _reference, _critic, new PpoSettings { Minibatches = minibatches });

        internal PpoTrainer Value { get; }

        public void Dispose()
        {
            Value.Dispose();
            _critic.Dispose();
            _reference.Dispose();
            _policy.Dispose();
        }
    }
}
