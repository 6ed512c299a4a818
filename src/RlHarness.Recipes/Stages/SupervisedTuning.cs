using System.Globalization;
using RlHarness.Core.Runs;
using RlHarness.Models.Loading;
using RlHarness.Recipes.Running;
using RlHarness.Recipes.Settings;
using RlHarness.Tracking.Metrics;
using RlHarness.Tracking.Store;
using RlHarness.Training.Batching;
using RlHarness.Training.Supervised;

namespace RlHarness.Recipes.Stages;

/// <summary>
/// What stages of supervised tuning have in common: adapters, held-out sequences, shuffled batches, a line of metrics every ten steps, the model's
/// folder.
/// </summary>
/// <param name="Validation">Mean −log p of held-out scored tokens, in nats; NaN without any.</param>
/// <param name="TokensPerSecond">Of all tokens that were read, the writing of the model included.</param>
internal sealed record SupervisedTuning(int Steps, long Tokens, double Validation, double TokensPerSecond)
{
    /// <summary>Tunes the model, merges its adapters, and writes it as a Hugging Face folder.</summary>
    /// <param name="stage">Also the purpose of its random numbers.</param>
    /// <param name="lossMetric">Name of the training loss; that of the held-out loss is made of it.</param>
    /// <param name="evaluations">Of the model while it is tuned; null: none. Their time is in no throughput.</param>
    internal static SupervisedTuning Run(
        RunContext run,
        string stage,
        string lossMetric,
        LoadedModel model,
        IReadOnlyList<ScoredSequence> sequences,
        SupervisedSettings settings,
        TuningEvaluations? evaluations = null
    )
    {
        if (settings.Adapter is { } adapter)
            model.Decoder.Adapters = LoraFolder.Create(model.Decoder, adapter.TargetModules, adapter.Rank, adapter.Alpha, run.Seeds.For($"{stage}/adapter"));
        using var trainer = new SupervisedTrainer(model.Decoder, settings.Optimizer, settings.MicroBatchTokens);
        var started = run.Time.GetTimestamp();
        var (steps, tokens, validation) = Loop(run, stage, lossMetric, trainer, sequences, settings, evaluations);
        Merge(model);
        CheckpointFolder.Write(run.Folder.Stage(stage), folder => ModelSaver.Save(folder, model));
        var throughput = tokens / Seconds(run, started, evaluations);
        run.Commit(
            new StepBatch(stage, steps)
            {
                Metrics = new Dictionary<string, double>
                {
                    [lossMetric + "_validation"] = validation,
                    [MetricNames.Throughput] = throughput,
                    [MetricNames.MaxMemoryGb] = ProcessMemory.PeakGiB(),
                },
            }
        );
        return new(steps, tokens, validation, throughput);
    }

    /// <summary>What the console says of it.</summary>
    public override string ToString() =>
        string.Create(CultureInfo.InvariantCulture, $"{Tokens:n0} tokens, validation loss {Validation:f3}, {TokensPerSecond:f0} tokens/s");

    private static (int Steps, long Tokens, double Validation) Loop(
        RunContext run,
        string stage,
        string lossMetric,
        SupervisedTrainer trainer,
        IReadOnlyList<ScoredSequence> sequences,
        SupervisedSettings settings,
        TuningEvaluations? evaluations
    )
    {
        var order = run.Seeds.For($"{stage}/split").Permutation(sequences.Count);
        var held = order.Take((int)(settings.ValidationFraction * sequences.Count)).Select(i => sequences[i]).ToArray();
        var train = order.Skip(held.Length).Select(i => sequences[i]).ToArray();
        var perEpoch = (train.Length + settings.BatchSize - 1) / settings.BatchSize;
        var steps = Math.Max(1, (int)Math.Round(settings.Epochs * perEpoch));
        var started = run.Time.GetTimestamp();
        var tokens = 0L;
        var smoothed = double.NaN;
        if (evaluations?.At(step: 0, tokens) is { } untuned)
            run.Commit(untuned);
        for (var (step, epoch) = (0, 0); step < steps; epoch++)
            foreach (var batch in EpochOrder.Batches(train.Length, settings.BatchSize, run.Seeds.For($"{stage}/order", epoch)))
            {
                if (step == steps)
                    break;
                run.Cancellation.ThrowIfCancellationRequested();
                var rate = settings.Optimizer.At(step, steps);
                var result = RunContext.At(stage, step + 1, () => trainer.Step([.. batch.Select(i => train[i])], rate));
                step++;
                tokens += result.AllTokens;
                smoothed = double.IsNaN(smoothed) ? result.Loss : 0.9 * smoothed + 0.1 * result.Loss;
                var seconds = Seconds(run, started, evaluations);
                var rows = evaluations?.At(step, tokens, last: step == steps);
                if (step % 10 == 0 || step == steps)
                {
                    var metrics = new Dictionary<string, double>
                    {
                        [lossMetric] = result.Loss,
                        [MetricNames.LearningRate] = rate,
                        [MetricNames.ActorGradNorm] = result.GradientNorm,
                    };
                    // At the last step it is that of the whole stage, written at its end.
                    if (step < steps)
                        metrics[MetricNames.Throughput] = tokens / seconds;
                    rows = rows is null ? new(stage, step) { Metrics = metrics } : rows with { Metrics = rows.Metrics.Concat(metrics).ToDictionary() };
                }

                if (rows is not null)
                    run.Commit(rows);
                run.Progress.Step(
                    "step",
                    step,
                    steps,
                    [
                        ("loss", smoothed.ToString("f3", CultureInfo.InvariantCulture)),
                        ("tokens/s", (tokens / seconds).ToString("f0", CultureInfo.InvariantCulture)),
                    ]
                );
            }

        return (steps, tokens, RunContext.At(stage, steps, () => trainer.Evaluate(held)));
    }

    private static double Seconds(RunContext run, long started, TuningEvaluations? evaluations) =>
        run.Time.GetElapsedTime(started).TotalSeconds - (evaluations?.Seconds ?? 0);

    /// <summary>Merged first: the reference of RL is the model with its adapters switched off, and has to be this one.</summary>
    private static void Merge(LoadedModel model)
    {
        if (model.Decoder.Adapters is not { } trained)
            return;
        trained.MergeInto(model.Decoder);
        model.Decoder.Adapters = null;
        trained.Dispose();
    }
}
