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
/// <param name="TokensPerSecond">Of the tokens that this process read.</param>
internal sealed record SupervisedTuning(int Steps, long Tokens, double Validation, double TokensPerSecond)
{
    /// <summary>
    /// Tunes the model from the newest checkpoint where there is one, merges its adapters, and writes it as a Hugging Face folder, last of all: rows that are
    /// written before it are written again where the process is killed in between. Returns what there is to say.
    /// </summary>
    /// <param name="stage">Also the purpose of its random numbers.</param>
    /// <param name="lossMetric">Name of the training loss; that of the held-out loss is made of it.</param>
    /// <param name="evaluations">Of the model while it is tuned; null: none. Their time is in no throughput.</param>
    /// <param name="says">What there is to say of the stage when it is done.</param>
    internal static string Run(
        RunContext run,
        string stage,
        string lossMetric,
        LoadedModel model,
        IReadOnlyList<ScoredSequence> sequences,
        SupervisedSettings settings,
        Func<SupervisedTuning, string> says,
        TuningEvaluations? evaluations = null
    )
    {
        if (settings.Adapter is { } adapter)
            model.Decoder.Adapters = LoraFolder.Create(model.Decoder, adapter.TargetModules, adapter.Rank, adapter.Alpha, run.Seeds.For($"{stage}/adapter"));
        using var trainer = new SupervisedTrainer(model.Decoder, settings.Optimizer, settings.MicroBatchTokens, run.Ranks, run.Settings.ShardOptimizer);
        var trained = model.Decoder.Adapters?.Parameters ?? model.Decoder.Parameters;
        var checkpoints = new TuningCheckpoints(run, stage, trainer.Optimizer, () => NamedTensors.Of(trained));
        checkpoints.Restore();
        run.Guessing(stage, model.Decoder.Config.VocabSize);
        trained.Touch();
        SupervisedTuning? tuned = null;
        checkpoints.Guard(() => tuned = Loop(run, stage, lossMetric, trainer, sequences, settings, checkpoints, evaluations));
        Merge(model);
        run.KeepResult(stage, says(tuned!));
        run.WriteFolder(run.Folder.Stage(stage), folder => ModelSaver.Save(folder, model));
        return says(tuned!);
    }

    /// <summary>What the console says of it.</summary>
    public override string ToString() =>
        string.Create(
            CultureInfo.InvariantCulture,
            $"{(Steps == 0 ? "weights as they are" : $"{Tokens:n0} tokens")}{(double.IsNaN(Validation) ? "" : $", validation loss {Validation:f3}")}"
                + $"{(Steps == 0 ? "" : $", {TokensPerSecond:f0} tokens/s")}"
        );

    private static SupervisedTuning Loop(
        RunContext run,
        string stage,
        string lossMetric,
        SupervisedTrainer trainer,
        IReadOnlyList<ScoredSequence> sequences,
        SupervisedSettings settings,
        TuningCheckpoints checkpoints,
        TuningEvaluations? evaluations
    )
    {
        var order = run.Seeds.For($"{stage}/split").Permutation(sequences.Count);
        var held = order.Take((int)(settings.ValidationFraction * sequences.Count)).Select(i => sequences[i]).ToArray();
        var train = order.Skip(held.Length).Select(i => sequences[i]).ToArray();
        var perEpoch = (train.Length + settings.BatchSize - 1) / settings.BatchSize;
        var steps = settings.Epochs == 0 ? 0 : Math.Max(1, (int)Math.Round(settings.Epochs * perEpoch));
        run.KeepLength(stage, steps);
        var batches = EpochOrder.Steps(train.Length, settings.BatchSize, epoch => run.Seeds.For($"{stage}/order", epoch));
        var (started, before) = (run.Time.GetTimestamp(), checkpoints.State.Tokens);
        double Throughput(long tokens) => (tokens - before) / Math.Max(1e-9, Seconds(run, started, evaluations));
        var (state, validation) = (checkpoints.State, double.NaN);
        evaluations?.Restore(state.NextEvaluation);
        if (state.Step == 0 && evaluations?.At(step: 0, tokens: 0) is { } untuned)
            run.Commit(untuned);
        for (var step = state.Pending is null ? state.Step + 1 : state.Step; step <= steps; step++)
        {
            run.StopIfAsked();
            if (state.Pending is null)
            {
                var rate = settings.Optimizer.At(step - 1, steps);
                checkpoints.Begin();
                var result = RunContext.At(stage, step, () => trainer.Step([.. batches(step - 1).Select(i => train[i])], rate));
                state = new(
                    step,
                    state.Tokens + result.AllTokens,
                    double.IsNaN(state.Smoothed) ? result.Loss : 0.9 * state.Smoothed + 0.1 * result.Loss,
                    evaluations?.Next ?? 0,
                    new Dictionary<string, double>
                    {
                        [lossMetric] = result.Loss,
                        [MetricNames.LearningRate] = rate,
                        [MetricNames.ActorGradNorm] = result.GradientNorm,
                    }
                );
                checkpoints.Trained(state);
            }

            var rows = evaluations?.At(step, state.Tokens, last: step == steps);
            if (step % 10 == 0 || step == steps)
            {
                var metrics = new Dictionary<string, double>(state.Pending!);
                if (step == steps)
                {
                    metrics[MetricNames.MaxMemoryGb] = ProcessMemory.PeakGiB();
                    // So few sequences may leave none to hold out: then there is no such loss.
                    if (held.Length > 0)
                        metrics[lossMetric + "_validation"] = validation = RunContext.At(stage, step, () => trainer.Evaluate(held));
                }

                metrics[MetricNames.Throughput] = Throughput(state.Tokens);
                rows = rows is null ? new(stage, step) { Metrics = metrics } : rows with { Metrics = rows.Metrics.Concat(metrics).ToDictionary() };
            }

            if (rows is not null)
                run.Commit(rows);
            state = state with { NextEvaluation = evaluations?.Next ?? 0, Pending = null };
            checkpoints.Finished(state, last: step == steps);
            run.Progress.Step(
                "step",
                step,
                steps,
                [
                    ("loss", state.Smoothed.ToString("f3", CultureInfo.InvariantCulture)),
                    ("tokens/s", Throughput(state.Tokens).ToString("f0", CultureInfo.InvariantCulture)),
                ]
            );
        }

        if (steps == 0 && held.Length > 0)
        {
            // What the weights are worth that stay as they are.
            validation = RunContext.At(stage, 0, () => trainer.Evaluate(held));
            run.Commit(new(stage, 0) { Metrics = new Dictionary<string, double> { [lossMetric + "_validation"] = validation } });
        }

        return new(steps, state.Tokens, validation, steps == 0 ? double.NaN : Throughput(state.Tokens));
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
