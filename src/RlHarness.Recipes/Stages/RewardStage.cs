using System.Globalization;
using RlHarness.Core.Chat;
using RlHarness.Core.Runs;
using RlHarness.Core.Settings;
using RlHarness.Models.Decoders;
using RlHarness.Models.Loading;
using RlHarness.Models.Parallel;
using RlHarness.Recipes.Running;
using RlHarness.Recipes.Settings;
using RlHarness.Tracking.Metrics;
using RlHarness.Tracking.Store;
using RlHarness.Training.Rewards;
using RlHarness.Training.Supervised;

namespace RlHarness.Recipes.Stages;

/// <summary>
/// Trains the preference model of the conflicting objective on pairs of outputs. It reads the user's text and the output, never a scratchpad or a
/// tier.
/// </summary>
internal static class RewardStage
{
    public const string Name = StageNames.Reward;

    public static string Key(StageInputs run)
    {
        var s = run.Settings;
        return SettingsWriter.Hash(
            "reward/4",
            s.Stages.Contains(StageNames.Imitate) ? ImitateStage.Key(run) : SettingsWriter.Hash("start/1", ImitateStage.Key(run), string.Join(",", s.Stages)),
            run.Condition.Objective == Experiment.Prompts.ObjectiveKind.Hhh ? "hhh" : "conflicting",
            s.Reward with
            {
                Weights = new(),
                ScoreClip = 5,
                Resident = true,
            }
        );
    }

    /// <summary>What the reward model reads.</summary>
    public static int[] Text(Conversation conversation, string user, string output) =>
        conversation.Whole([ChatMessage.User(user), ChatMessage.Assistant(output)]);

    public static string Run(RunContext run, CorpusStage.Corpus corpus)
    {
        var settings = run.Settings.Reward;
        using var loaded = ModelLoader.Load(ModelLibrary.Start(run.Settings, run.Folder.Path), run.Device, requiresGrad: true, withHead: false);
        run.Configure(loaded.Decoder);
        var conversation = new Conversation(loaded, run.Settings.Clock);
        using var head = new ScalarHead(loaded.Decoder.Config.HiddenSize, run.Device, run.Seeds.For("reward/head"));
        var model = new RewardModel(loaded.Decoder, head, settings.MicroBatchTokens, run.Ranks);
        var pairs = corpus
            .Pairs.Select(p => new RewardModelTrainer.Pair(Text(conversation, p.User, p.Chosen), Text(conversation, p.User, p.Rejected)))
            .ToArray();
        var order = run.Seeds.For("reward/split").Permutation(pairs.Length);
        var held = order.Take(Math.Max(1, (int)(settings.HeldOutFraction * pairs.Length))).Select(i => pairs[i]).ToArray();
        var train = order.Skip(held.Length).Select(i => pairs[i]).ToArray();
        var perEpoch = (train.Length + settings.BatchSize - 1) / settings.BatchSize;
        var steps = Math.Max(1, (int)Math.Round(settings.Epochs * perEpoch));
        using var trainer = new RewardModelTrainer(
            model,
            settings.Optimizer,
            settings.Centering,
            settings.MicroBatchTokens,
            run.Ranks,
            run.Settings.ShardOptimizer
        );
        var checkpoints = new TuningCheckpoints(run, Name, trainer.Optimizer, () =>
            [.. NamedTensors.Of(loaded.Decoder.Parameters, "body."), .. NamedTensors.Of(head.Parameters, "head.")]
        );
        checkpoints.Restore();
        loaded.Decoder.Parameters.Touch();
        head.Parameters.Touch();
        var accuracy = double.NaN;
        checkpoints.Guard(() => accuracy = Loop(run, trainer, train, held, steps, checkpoints));
        // Scores are relative: the bias puts the mean over what the imitating model writes at 0.
        var reference = corpus
            .Transcripts.Where(t => t.Tier == Experiment.Prompts.Tier.Training)
            .Take(256)
            .Select(t => (IReadOnlyList<int>)Text(conversation, t.User, t.Output))
            .ToArray();
        var mean = RunContext.At(Name, steps, () => model.Score(reference)).Average();
        head.Shift(-mean);
        var result = string.Create(CultureInfo.InvariantCulture, $"held-out accuracy {accuracy:p1} (n = {held.Length})");
        run.KeepResult(Name, result);
        run.WriteFolder(run.Folder.Stage(Name), folder => ScalarHeadFolder.Save(folder, loaded.Decoder, head, loaded));
        return result;
    }

    /// <summary>Trains from where the checkpoints are. Returns the share of held-out pairs that are ordered as they are labelled.</summary>
    private static double Loop(
        RunContext run,
        RewardModelTrainer trainer,
        RewardModelTrainer.Pair[] train,
        RewardModelTrainer.Pair[] held,
        int steps,
        TuningCheckpoints checkpoints
    )
    {
        var settings = run.Settings.Reward;
        run.KeepLength(Name, steps);
        var batches = EpochOrder.Steps(train.Length, settings.BatchSize, epoch => run.Seeds.For("reward/order", epoch));
        var accuracy = double.NaN;
        for (var step = checkpoints.State.Step + 1; step <= steps; step++)
        {
            run.StopIfAsked();
            var rate = settings.Optimizer.At(step - 1, steps);
            checkpoints.Begin();
            var result = RunContext.At(Name, step, () => trainer.Step([.. batches(step - 1).Select(i => train[i])], rate));
            var metrics = new Dictionary<string, double>
            {
                [MetricNames.LossRewardModel] = result.Loss,
                ["reward_model/train_accuracy"] = result.Accuracy,
                [MetricNames.LearningRate] = rate,
            };
            if (step == steps)
            {
                metrics[MetricNames.RewardModelAccuracy] = accuracy = RunContext.At(Name, step, () => trainer.Evaluate(held)).Accuracy;
                metrics[MetricNames.RewardModelAccuracy + "/n"] = held.Length;
            }

            if (step % 5 == 0 || step == steps)
                run.Commit(new StepBatch(Name, step) { Metrics = metrics });
            checkpoints.Finished(new(step), last: step == steps);
            run.Progress.Step(
                "step",
                step,
                steps,
                [("loss", result.Loss.ToString("f3", CultureInfo.InvariantCulture)), ("accuracy", result.Accuracy.ToString("p0", CultureInfo.InvariantCulture))]
            );
        }

        return accuracy;
    }

    /// <summary>A frozen reward model, with what it reads texts by. Where it may not stay in memory it is loaded for each batch that it scores.</summary>
    internal sealed class Opened(RewardModel model, Conversation conversation, Func<RewardModel>? reload) : IDisposable
    {
        /// <summary>Null while it rests on disk.</summary>
        private RewardModel? _model = model;

        internal Conversation Conversation => conversation;

        /// <summary>Scores of texts (token ids).</summary>
        internal float[] Score(IReadOnlyList<IReadOnlyList<int>> texts)
        {
            try
            {
                return (_model ??= reload!()).Score(texts);
            }
            finally
            {
                Rest();
            }
        }

        /// <summary>Gives the weights' memory back, where they can be loaded again.</summary>
        internal Opened Rest()
        {
            if (reload is null)
                return this;
            _model?.Dispose();
            _model = null;
            FreeMemory.Release();
            return this;
        }

        public void Dispose() => _model?.Dispose();
    }

    /// <summary>
    /// Opens the reward model, frozen: the one of the settings, else the one that the run trained; null where the reward has none, or there is none yet.
    /// </summary>
    public static Opened? Open(RunContext run)
    {
        if (run.Settings.Reward.Weights.Model == 0)
            return null;
        var folder = run.Settings.Reward.Path is { } path ? ModelLibrary.Find(path) : run.Folder.Stage(Name);
        if (!Directory.Exists(folder))
            return null;
        var loaded = ModelLoader.Load(folder, run.Device, withHead: false, frozen: run.ComputeType);
        run.Configure(loaded.Decoder);
        ScalarHead Head() => new(loaded.Decoder.Config.HiddenSize, run.Device, run.Seeds.For("reward/head"), requiresGrad: false);
        RewardModel Model(Decoder body, ScalarHead head) => new(body, head, run.Settings.Reward.MicroBatchTokens, run.Ranks);
        var head = Head();
        ScalarHeadFolder.LoadHead(folder, head);
        return new Opened(Model(loaded.Decoder, head), new Conversation(loaded, run.Settings.Clock), run.Settings.Reward.Resident ? null : Again).Rest();

        RewardModel Again()
        {
            var (body, scores) = (Decoder.Frozen(loaded.Decoder.Config, run.Device, run.ComputeType, withHead: false, loaded.Family.FusedOnDisk), Head());
            ScalarHeadFolder.Load(folder, body, scores);
            run.Configure(body);
            return Model(body, scores);
        }
    }
}
