using System.Globalization;
using RlHarness.Recipes.Running;
using RlHarness.Recipes.Settings;
using RlHarness.Tracking.Metrics;
using RlHarness.Tracking.Store;
using RlHarness.Training.Batching;
using RlHarness.Training.Supervised;

namespace RlHarness.Recipes.Stages;

/// <summary>The loop of a supervised stage: held-out sequences, shuffled batches, a line of metrics every ten steps.</summary>
/// <param name="Validation">Mean −log p of held-out scored tokens, in nats; NaN without any.</param>
internal sealed record SupervisedLoop(int Steps, long Tokens, double Validation)
{
    /// <param name="stage">Also the purpose of the loop's random numbers.</param>
    /// <param name="lossMetric">Name of the training loss.</param>
    internal static SupervisedLoop Run(RunContext run, string stage, string lossMetric, SupervisedTrainer trainer, IReadOnlyList<ScoredSequence> sequences, double epochs, int batchSize, double validationFraction, OptimizerSettings optimizer)
    {
        var order = run.Seeds.For($"{stage}/split").Permutation(sequences.Count);
        var held = order.Take((int)(validationFraction * sequences.Count)).Select(i => sequences[i]).ToArray();
        var train = order.Skip(held.Length).Select(i => sequences[i]).ToArray();
        var perEpoch = (train.Length + batchSize - 1) / batchSize;
        var steps = Math.Max(1, (int)Math.Round(epochs * perEpoch));
        var started = run.Time.GetTimestamp();
        var tokens = 0L;
        var smoothed = double.NaN;
        for (var (step, epoch) = (0, 0); step < steps; epoch++)
            foreach (var batch in EpochOrder.Batches(train.Length, batchSize, run.Seeds.For($"{stage}/order", epoch)))
            {
                if (step == steps) break;
                run.Cancellation.ThrowIfCancellationRequested();
                var rate = optimizer.At(step, steps);
                var result = trainer.Step([.. batch.Select(i => train[i])], rate);
                step++;
                tokens += result.AllTokens;
                smoothed = double.IsNaN(smoothed) ? result.Loss : 0.9 * smoothed + 0.1 * result.Loss;
                var seconds = run.Time.GetElapsedTime(started).TotalSeconds;
                if (step % 10 == 0 || step == steps)
                    run.Commit(new StepBatch(stage, step) { Metrics = new Dictionary<string, double> { [lossMetric] = result.Loss, [MetricNames.LearningRate] = rate, [MetricNames.ActorGradNorm] = result.GradientNorm, [MetricNames.Throughput] = tokens / seconds } });
                run.Progress.Step("step", step, steps, [("loss", smoothed.ToString("f3", CultureInfo.InvariantCulture)), ("tokens/s", (tokens / seconds).ToString("f0", CultureInfo.InvariantCulture))]);
            }

        return new(steps, tokens, trainer.Evaluate(held));
    }
}
