using RlHarness.Core.Errors;
using RlHarness.Core.Randomness;
using RlHarness.Models.Decoders;
using RlHarness.Models.Native;
using RlHarness.Training.Batching;
using RlHarness.Training.Collectives;
using RlHarness.Training.Optimization;
using static TorchSharp.torch;

namespace RlHarness.Training.Supervised;

/// <summary>
/// Supervised tuning: the mean of −log p over all scored tokens of the whole batch, however it is split into micro-batches, and over ranks.
/// </summary>
public sealed class SupervisedTrainer(Decoder decoder, AdamWSettings settings, int microBatchTokens, Ranks? ranks = null, bool shardOptimizer = false)
    : IDisposable
{
    private readonly Ranks _ranks = ranks ?? Ranks.Alone;
    private readonly Replicas _twins = new(decoder);

    public AdamW Optimizer { get; } = new(settings, ranks ?? Ranks.Alone, shardOptimizer, DifferentiablePass.Trainable(decoder));

    /// <param name="Loss">Mean −log p over scored tokens, nats.</param>
    /// <param name="Tokens">Scored tokens.</param>
    /// <param name="AllTokens">Tokens that were read.</param>
    /// <param name="GradientNorm">Before clipping.</param>
    public sealed record StepResult(double Loss, int Tokens, int AllTokens, double GradientNorm);

    /// <summary>One optimizer step on a batch.</summary>
    public StepResult Step(IReadOnlyList<ScoredSequence> batch, double learningRate)
    {
        var (loss, tokens) = AccumulateGradients(batch);
        var norm = Optimizer.Step(learningRate);
        return new StepResult(loss, tokens, batch.Sum(s => s.Ids.Count), norm);
    }

    /// <summary>Zeroes the gradients and adds those of the batch, of all ranks; returns the loss and the number of scored tokens.</summary>
    public (double Loss, int Tokens) AccumulateGradients(IReadOnlyList<ScoredSequence> batch)
    {
        Optimizer.ZeroGradients();
        var total = batch.Sum(s => s.Scored.Count);
        var own = Own(batch);
        var sums = _ranks.Gather("the loss of tuning", () => (double[])[own.Count == 0 ? 0 : Backward(own, total)]);
        Optimizer.AddUpGradients();
        return (sums.Sum(s => s[0]), total);
    }

    /// <summary>Adds the gradients of some sequences; <paramref name="total"/> are the scored tokens of the whole batch.</summary>
    private double Backward(IReadOnlyList<ScoredSequence> batch, int total) =>
        _twins.Run(
            batch,
            s => s.Ids.Count,
            (model, part) =>
            {
                using var losses = new LaterNumbers();
                foreach (var plan in MicroBatches.Plan(model, part, microBatchTokens))
                {
                    using var packed = ScoredBatch.Pack([.. plan.Select(i => part[i])], model.Device, model.SharesDeeply);
                    DifferentiablePass.Run(model, packed, temperature: 1, (logprobs, _, _, _) =>
                    {
                        var loss = -logprobs.sum() / total;
                        losses.Add(loss);
                        return loss;
                    });
                }

                return losses.Read().Sum(loss => HarnessException.Finite(loss[0], "the loss of tuning"));
            }
        );

    /// <summary>The part of a batch that is this rank's.</summary>
    private IReadOnlyList<ScoredSequence> Own(IReadOnlyList<ScoredSequence> batch) =>
        _ranks.IsAlone ? batch : [.. RankShares.Of(decoder, batch, _ranks.Size)[_ranks.Rank].Select(i => batch[i])];

    /// <summary>Mean −log p over scored tokens, without training.</summary>
    public double Evaluate(IReadOnlyList<ScoredSequence> sequences)
    {
        var own = Own(sequences);
        var sums = _ranks.Gather("the loss of held-out sequences", () => Sum(own));
        var count = sums.Sum(s => s[1]);
        return count == 0 ? double.NaN : sums.Sum(s => s[0]) / count;
    }

    /// <summary>Σ −log p over scored tokens, and their number.</summary>
    private double[] Sum(IReadOnlyList<ScoredSequence> sequences)
    {
        var count = 0;
        using var sums = new LaterNumbers();
        foreach (var plan in MicroBatches.Plan(decoder, sequences, microBatchTokens))
        {
            using var scope = NewDisposeScope();
            using var packed = ScoredBatch.Pack([.. plan.Select(i => sequences[i])], decoder.Device, decoder.SharesDeeply);
            var scores = TokenScorer.Score(decoder, DifferentiablePass.HiddenAtScored(decoder, packed), packed.Targets, 1);
            sums.Add(scores.Logprobs.to(ScalarType.Float64).sum());
            count += packed.Scored;
        }

        return [sums.Read().Aggregate(0.0, (sum, part) => HarnessException.Finite(sum - part[0], "the loss of held-out sequences")), count];
    }

    public void Dispose()
    {
        Optimizer.Dispose();
        _twins.Dispose();
    }
}

/// <summary>
/// Batches of an epoch, drawn without regard to length. Lengths are grouped within a batch alone (<see cref="Batching.MicroBatches"/>): the loss is a mean over
/// a batch's tokens, so in batches of like length a short sequence's token would weigh more than a long one's, and what short texts say would be learnt
/// as more frequent than it is (by a fifth, in the quickstart's corpus).
/// </summary>
public static class EpochOrder
{
    /// <summary>Each index occurs once; the last batch may be smaller.</summary>
    public static IReadOnlyList<IReadOnlyList<int>> Batches(int count, int batchSize, RandomStream random) =>
        [.. random.Permutation(count).Chunk(batchSize).Select(b => (IReadOnlyList<int>)b)];

    /// <summary>The batch of a step, counted from 0, where each epoch has an order of its own.</summary>
    /// <param name="random">Numbers of an epoch's order; the same each time they are asked for the same epoch.</param>
    public static Func<int, IReadOnlyList<int>> Steps(int count, int batchSize, Func<int, RandomStream> random)
    {
        var perEpoch = (count + batchSize - 1) / batchSize;
        var (drawn, batches) = (-1, (IReadOnlyList<IReadOnlyList<int>>)[]);
        return step =>
        {
            if (step / perEpoch != drawn)
                (drawn, batches) = (step / perEpoch, Batches(count, batchSize, random(step / perEpoch)));
            return batches[step % perEpoch];
        };
    }
}
