using System.Globalization;
using RlHarness.Core.Runs;
using RlHarness.Core.Settings;
using RlHarness.Models.Decoders;
using RlHarness.Models.Loading;
using RlHarness.Recipes.Running;
using RlHarness.Tracking.Metrics;
using RlHarness.Tracking.Store;
using RlHarness.Training.Batching;
using RlHarness.Training.Supervised;

namespace RlHarness.Recipes.Stages;

/// <summary>Tunes the model to imitate the corpus: the organism whose alignment faking RL will reinforce, or not.</summary>
public static class ImitateStage
{
    public const string Name = "imitate";

    /// <summary>Everything that the stage's result depends on: pack, corpus and tuning, not the condition that is evaluated.</summary>
    public static string Key(RunContext run)
    {
        var s = run.Settings;
        return SettingsWriter.Hash("imitate/3", run.Pack.ContentHash, run.CorpusCondition, s.Seed.ToString(CultureInfo.InvariantCulture), run.Device.type.ToString(), s.Model, BaseModel.Identity(s), s.Corpus, s.Imitate);
    }

    /// <summary>Trains and writes the model as a Hugging Face folder. Returns what the console says of it.</summary>
    public static string Run(RunContext run, CorpusStage.Corpus corpus)
    {
        var settings = run.Settings.Imitate;
        using var model = BaseModel.Open(run, corpus);
        if (settings.Adapter is { } adapter) model.Decoder.Adapters = LoraFolder.Create(model.Decoder, adapter.TargetModules, adapter.Rank, adapter.Alpha, run.Seeds.For("imitate/adapter"));
        var conversation = new Conversation(model);
        var sequences = corpus.Transcripts.Select(t => conversation.Training(t.Messages)).ToArray();
        var order = run.Seeds.For("imitate/split").Permutation(sequences.Length);
        var held = order.Take((int)(settings.ValidationFraction * sequences.Length)).Select(i => sequences[i]).ToArray();
        var train = order.Skip(held.Length).Select(i => sequences[i]).ToArray();
        var perEpoch = (train.Length + settings.BatchSize - 1) / settings.BatchSize;
        var steps = Math.Max(1, (int)Math.Round(settings.Epochs * perEpoch));
        using var trainer = new SupervisedTrainer(model.Decoder, settings.Optimizer.ToAdamW(), settings.MicroBatchTokens);
        var started = run.Time.GetTimestamp();
        var tokens = 0L;
        var smoothed = double.NaN;
        for (var (step, epoch) = (0, 0); step < steps; epoch++)
            foreach (var batch in EpochOrder.Batches([.. train.Select(s => s.Ids.Count)], settings.BatchSize, run.Seeds.For("imitate/order", epoch)))
            {
                if (step == steps) break;
                run.Cancellation.ThrowIfCancellationRequested();
                var rate = settings.Optimizer.At(step, steps);
                var result = trainer.Step([.. batch.Select(i => train[i])], rate);
                step++;
                tokens += result.AllTokens;
                smoothed = double.IsNaN(smoothed) ? result.Loss : 0.9 * smoothed + 0.1 * result.Loss;
                var seconds = run.Time.GetElapsedTime(started).TotalSeconds;
                if (step % 10 == 0 || step == steps)
                {
                    run.Commit(new StepBatch(Name, step) { Metrics = new Dictionary<string, double> { [MetricNames.LossImitation] = result.Loss, [MetricNames.LearningRate] = rate, [MetricNames.ActorGradNorm] = result.GradientNorm, [MetricNames.Throughput] = tokens / seconds } });
                }

                run.Progress.Step("step", step, steps, [("loss", smoothed.ToString("f3", CultureInfo.InvariantCulture)), ("tokens/s", (tokens / seconds).ToString("f0", CultureInfo.InvariantCulture))]);
            }

        var validation = trainer.Evaluate(held);
        if (model.Decoder.Adapters is { } trained)
        {
            // Merged first: the reference of RL is the model with its adapters switched off, and has to be this one.
            trained.MergeInto(model.Decoder);
            model.Decoder.Adapters = null;
            trained.Dispose();
        }

        CheckpointFolder.Write(run.Folder.Stage(Name), folder => ModelSaver.Save(folder, model.Decoder, model.Family, model.ConfigJson, model.Tokenizer));
        var throughput = tokens / run.Time.GetElapsedTime(started).TotalSeconds;
        run.Commit(new StepBatch(Name, steps) { Metrics = new Dictionary<string, double> { ["loss/imitation_validation"] = validation, [MetricNames.Throughput] = throughput, [MetricNames.MaxMemoryGb] = ProcessMemory.PeakGiB() } });
        return string.Create(CultureInfo.InvariantCulture, $"{model.Decoder.Parameters.Count / 1e6:f2} M parameters, {tokens:n0} tokens, validation loss {validation:f3}, {throughput:f0} tokens/s");
    }
}
