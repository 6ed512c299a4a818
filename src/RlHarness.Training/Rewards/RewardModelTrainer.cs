using RlHarness.Core.Errors;
using RlHarness.Models.Decoders;
using RlHarness.Models.Native;
using RlHarness.Training.Batching;
using RlHarness.Training.Collectives;
using RlHarness.Training.Losses;
using RlHarness.Training.Optimization;
using static TorchSharp.torch;

namespace RlHarness.Training.Rewards;

/// <summary>Trains a reward model on preference pairs (Bradley–Terry).</summary>
/// <param name="ranks">Among whom the pairs of a batch are dealt out.</param>
/// <param name="shardOptimizer">Whether each rank has the moments of a part alone.</param>
public sealed class RewardModelTrainer(
    RewardModel model,
    AdamWSettings settings,
    double centering,
    int microBatchTokens,
    Ranks? ranks = null,
    bool shardOptimizer = false
) : IDisposable
{
    private readonly Ranks _ranks = ranks ?? Ranks.Alone;

    public AdamW Optimizer { get; } = new(settings, ranks ?? Ranks.Alone, shardOptimizer, DifferentiablePass.Trainable(model.Body), model.Head.Parameters);

    /// <summary>Token ids of both texts.</summary>
    public sealed record Pair(IReadOnlyList<int> Chosen, IReadOnlyList<int> Rejected);

    public sealed record StepResult(double Loss, double Accuracy, double GradientNorm);

    /// <summary>One optimizer step; the loss is the mean over the whole batch of pairs.</summary>
    public StepResult Step(IReadOnlyList<Pair> pairs, double learningRate)
    {
        Optimizer.ZeroGradients();
        var own = _ranks.IsAlone
            ? pairs
            : [.. RankShares.Of([.. pairs.Select(p => p.Chosen.Count + p.Rejected.Count)], _ranks.Size)[_ranks.Rank].Select(i => pairs[i])];
        var sums = _ranks.Gather("the loss of the reward model", () => Backward(own, pairs.Count));
        Optimizer.AddUpGradients();
        return new StepResult(sums.Sum(s => s[0]), sums.Sum(s => s[1]) / pairs.Count, Optimizer.Step(learningRate));
    }

    /// <summary>Adds the gradients of some pairs of a batch; returns their part of the loss, and how many are ordered right.</summary>
    private double[] Backward(IReadOnlyList<Pair> pairs, int total)
    {
        var counts = new List<int>();
        using var numbers = new LaterNumbers();
        foreach (var plan in MicroBatches.Plan([.. pairs.Select(p => p.Chosen.Count + p.Rejected.Count)], microBatchTokens))
        {
            using var scope = NewDisposeScope();
            using var batch = TokenBatch.Pack(
                [.. plan.Select(i => pairs[i].Chosen), .. plan.Select(i => pairs[i].Rejected)],
                model.Body.Device,
                int.MaxValue,
                model.Body.SharesDeeply
            );
            DifferentiablePass.Run(model.Body, batch, model.LastRows(batch), rows =>
            {
                var scores = model.Head.Forward(rows); // [2 · pairs]
                var (chosen, rejected) = (scores.narrow(0, 0, plan.Count), scores.narrow(0, plan.Count, plan.Count));
                var part = PreferenceLoss.BradleyTerry(chosen, rejected, centering: centering) * ((double)plan.Count / total);
                numbers.Add(part, PreferenceLoss.Accuracy(chosen.detach(), rejected.detach()));
                counts.Add(plan.Count);
                return part;
            });
        }

        var read = numbers.Read();
        return [read.Sum(n => HarnessException.Finite(n[0], "the loss of the reward model")), read.Zip(counts, (n, count) => n[1] * count).Sum()];
    }

    /// <summary>Share of pairs that the model orders as they are labelled, and the mean score over both sides.</summary>
    public (double Accuracy, double MeanScore) Evaluate(IReadOnlyList<Pair> pairs)
    {
        var chosen = model.Score([.. pairs.Select(p => p.Chosen)]);
        var rejected = model.Score([.. pairs.Select(p => p.Rejected)]);
        return (Enumerable.Range(0, pairs.Count).Count(i => chosen[i] > rejected[i]) / (double)pairs.Count, chosen.Concat(rejected).Average());
    }

    public void Dispose() => Optimizer.Dispose();
}
