using RlHarness.Core.Errors;
using RlHarness.Models.Decoders;
using RlHarness.Training.Batching;
using RlHarness.Training.Losses;
using RlHarness.Training.Optimization;
using static TorchSharp.torch;

namespace RlHarness.Training.Rewards;

/// <summary>Trains a reward model on preference pairs (Bradley–Terry).</summary>
public sealed class RewardModelTrainer(RewardModel model, AdamWSettings settings, double centering, int microBatchTokens) : IDisposable
{
    public AdamW Optimizer { get; } = new(settings, DifferentiablePass.Trainable(model.Body), model.Head.Parameters);

    /// <summary>Token ids of both texts.</summary>
    public sealed record Pair(IReadOnlyList<int> Chosen, IReadOnlyList<int> Rejected);

    public sealed record StepResult(double Loss, double Accuracy, double GradientNorm);

    /// <summary>One optimizer step; the loss is the mean over the whole batch of pairs.</summary>
    public StepResult Step(IReadOnlyList<Pair> pairs, double learningRate)
    {
        Optimizer.ZeroGradients();
        var (loss, right) = (0.0, 0.0);
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
                var part = PreferenceLoss.BradleyTerry(chosen, rejected, centering: centering) * ((double)plan.Count / pairs.Count);
                loss += HarnessException.Finite(part.item<float>(), "the loss of the reward model");
                right += PreferenceLoss.Accuracy(chosen.detach(), rejected.detach()).item<double>() * plan.Count;
                return part;
            });
        }

        return new StepResult(loss, right / pairs.Count, Optimizer.Step(learningRate));
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
