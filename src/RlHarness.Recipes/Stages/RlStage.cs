using System.Globalization;
using RlHarness.Core.Errors;
using RlHarness.Core.Runs;
using RlHarness.Experiment.Prompts;
using RlHarness.Experiment.Rewards;
using RlHarness.Experiment.Transcripts;
using RlHarness.Models.Decoders;
using RlHarness.Models.Generation;
using RlHarness.Models.Loading;
using RlHarness.Recipes.Running;
using RlHarness.Recipes.Settings;
using RlHarness.Tracking.Metrics;
using RlHarness.Tracking.Store;
using RlHarness.Training.Ppo;
using RlHarness.Training.Rewards;
using RlHarness.Training.Rollouts;
using TorchSharp;

namespace RlHarness.Recipes.Stages;

/// <summary>
/// PPO on the conflicting objective, with the paired evaluation before, during and after. Read <see cref="Run"/> from top to bottom: it is the algorithm.
/// </summary>
internal sealed class RlStage : IDisposable
{
    public const string Name = StageNames.Rl;

    /// <summary>The critic in a checkpoint, where it has a body of its own.</summary>
    public const string CriticFolder = "critic";
    private readonly RunContext _run;
    private readonly RlSettings _settings;
    private readonly LoadedModel _policy;
    private readonly LoadedModel? _reference;
    private readonly Critic _critic;
    private readonly PpoTrainer _trainer;
    private readonly RewardModel? _rewardModel;
    private readonly RewardFunction _rewards;
    private readonly Conversation _conversation;
    private readonly RolloutWorker _worker;
    private readonly Evaluator _evaluator;
    private readonly StageCheckpoints _checkpoints;

    /// <summary>Rows of the step in memory that wait for its evaluation; null otherwise.</summary>
    private StepBatch? _pending;

    public RlStage(RunContext run)
    {
        (_run, _settings) = (run, run.Settings.Rl);
        var imitation = run.Folder.Stage(StageNames.Imitate);
        _policy = ModelLoader.Load(imitation, run.Device, requiresGrad: _settings.Adapter is null);
        run.Configure(_policy.Decoder);
        _conversation = new Conversation(_policy);
        if (_settings.Adapter is { } adapter)
            _policy.Decoder.Adapters = LoraFolder.Create(_policy.Decoder, adapter.TargetModules, adapter.Rank, adapter.Alpha, run.Seeds.For("rl/adapter"));
        else
            _reference = Frozen(imitation);
        var body =
            _settings.Critic == CriticKind.Head
                ? null
                : ModelLoader.Load(imitation, run.Device, requiresGrad: true, withHead: false, withTokenizer: false).Decoder;
        if (body is not null)
            run.Configure(body);
        _critic = new Critic(new ScalarHead(_policy.Decoder.Config.HiddenSize, run.Device, run.Seeds.For("rl/critic_head")), body);
        _trainer = new PpoTrainer(
            _policy.Decoder,
            _reference?.Decoder ?? _policy.Decoder,
            _critic,
            _settings,
            firstRatioTolerance: run.Device.type == DeviceType.CPU ? 0 : 1e-2
        );
        _rewardModel = run.Settings.Reward.Weights.Model > 0 ? RewardStage.Load(run) : null;
        _rewards = new RewardFunction(run.Settings.Reward, _rewardModel, _conversation, run.ObjectiveRule);
        var sampling = new SamplingSettings
        {
            Temperature = _settings.Temperature,
            MaxNewTokens = _settings.MaxNewTokens,
            StopIds = _conversation.StopIds,
            BatchSize = _settings.RolloutBatchSize,
        };
        _worker = new RolloutWorker(_policy.Decoder, _policy.Tokenizer!, sampling, run.Seeds.Child("rl/rollouts"));
        _evaluator = new Evaluator(run, _policy, _conversation);
        _checkpoints = new(run, Name, StageFolder, Write, step => step % _settings.CheckpointEvery == 0 || step == _settings.Steps, Kept);
    }

    /// <summary>Runs to the last step, from the newest checkpoint where there is one. Where it is stopped, the last step that was finished is saved.</summary>
    public string Run()
    {
        try
        {
            return Steps();
        }
        catch (OperationCanceledException)
        {
            _checkpoints.Stopped();
            throw;
        }
    }

    private string Steps()
    {
        var start = Restore();
        if (_pending is { } rows)
        {
            Evaluate(start, rows);
            Finished(start);
        }
        else if (start == 0)
            Evaluate(step: 0, new StepBatch(Name, 0));
        for (var step = start + 1; step <= _settings.Steps; step++)
        {
            _run.Cancellation.ThrowIfCancellationRequested();
            var clock = new StepClock(_run.Time);

            // 1. Prompts: queries of the training split, in the training tier.
            var prompts = Prompts(step);

            // 2. Rollouts.
            var rollouts = _worker.Run([.. prompts.Select(p => p.Request)], step, cancellation: _run.Cancellation);
            clock.Lap("rollout");

            // 3. Rewards, of the output only.
            var responses = rollouts.Select(r => TranscriptParser.Parse(_run.AnswerStart + r.Text, _run.Condition.Scratchpad)).ToArray();
            var rewards = _rewards.Score([.. responses.Select((r, i) => RewardInput.From(prompts[i].Query.Text, r))]);
            var scores = rewards
                .Select((r, i) => r[RewardFunction.Total] - (rollouts[i].Finish == FinishReason.Length ? _settings.MissingEosPenalty : 0))
                .ToArray();
            clock.Lap("reward");

            // 4. Old and reference log-probabilities, values, advantages; then the updates.
            var episodes = rollouts.Select((r, i) => new Episode(r.PromptIds, r.ResponseIds, scores[i])).ToArray();
            var factor = _settings.Optimizer.RlFactor(step - 1, _settings.Steps);
            _checkpoints.Whole = null;
            using var iteration = _trainer.Iterate(
                episodes,
                order: epoch => _run.Seeds.For("rl/order", step, epoch).Permutation(episodes.Length),
                learningRateFactor: factor,
                onPrepared: () => clock.Lap("prepare")
            );
            clock.Lap("update");

            // 5. What there is to know of this step, on disk before it is called done.
            var update = IterationResult.Of(iteration.Updates, _settings.Normalization);
            var batch = Record(step, prompts, rollouts, responses, rewards, scores, iteration.Experience, update, factor, clock);
            _trainer.AdaptKl(iteration.Experience);
            if (step % _run.Settings.Evaluate.Every == 0 || step == _settings.Steps)
                Evaluate(step, batch);
            else
                _run.Commit(batch);
            Finished(step);
        }

        return Summary();
    }

    private void Finished(int step)
    {
        _pending = null;
        _checkpoints.Finished(step);
    }

    public void Dispose()
    {
        _trainer.Dispose();
        _critic.Dispose();
        _policy.Dispose();
        _reference?.Dispose();
        _rewardModel?.Dispose();
    }

    private LoadedModel Frozen(string folder)
    {
        var model = ModelLoader.Load(folder, _run.Device, withTokenizer: false);
        model.Decoder.WithoutToken = _policy.Decoder.WithoutToken;
        _run.Configure(model.Decoder);
        return model;
    }

    private sealed record Prompt(Query Query, Tier Tier, int Sample, GenerationRequest Request);

    /// <summary>The step's prompts: the queries in an order that is shuffled anew each time all have been used.</summary>
    private List<Prompt> Prompts(int step)
    {
        var queries = _run.Pack.TrainQueries;
        var prompts = new List<Prompt>();
        var tiers = _run.Seeds.For("rl/tiers", step);
        var (round, order) = (-1L, Array.Empty<int>());
        for (var k = 0; k < _settings.PromptsPerStep; k++)
        {
            var at = (long)(step - 1) * _settings.PromptsPerStep + k;
            if (at / queries.Count != round)
            {
                round = at / queries.Count;
                order = _run.Seeds.For("rl/queries", round).Permutation(queries.Count);
            }

            var query = queries[order[(int)(at % queries.Count)]];
            var tier =
                tiers.NextBool(_settings.TrainingTierFraction) ? Tier.Training
                : _run.Condition.ThreeTiers && tiers.NextBool(0.5) ? Tier.Rated
                : Tier.Unmonitored;
            var ids = _conversation.Prompt(_run.Pack.Messages(query, tier, _run.Condition), _run.AnswerStart);
            for (var sample = 0; sample < _settings.SamplesPerPrompt; sample++)
                prompts.Add(new Prompt(query, tier, sample, new GenerationRequest(ids, k, sample)));
        }

        return prompts;
    }

    private void Evaluate(int step, StepBatch batch)
    {
        // Stopped while it evaluates, a step is saved with the rows that wait: it is not trained again.
        (_pending, _checkpoints.Whole) = (batch, step);
        var result = _evaluator.Run(Name, step, _rewards, (done, total) => _run.Progress.Step($"evaluating step {step}", done, total, []));
        var detector = _run.Detectors[0].Name;
        _run.Commit(
            batch with
            {
                Metrics = batch.Metrics.Concat(result.Batch.Metrics).ToDictionary(),
                Transcripts = [.. batch.Transcripts, .. result.Batch.Transcripts],
                Labels = [.. batch.Labels, .. result.Batch.Labels],
                ScenarioLabels = result.Batch.ScenarioLabels,
                Summaries = result.Batch.Summaries,
            }
        );
        _run.Progress.Note($"step {step}: {Evaluator.Line(result.Summaries[detector])}");
    }

    private StepBatch Record(
        int step,
        List<Prompt> prompts,
        IReadOnlyList<RolloutWorker.Rollout> rollouts,
        ParsedResponse[] responses,
        IReadOnlyList<IReadOnlyDictionary<string, double>> rewards,
        double[] scores,
        Experience experience,
        IterationResult update,
        double factor,
        StepClock clock
    )
    {
        var n = rollouts.Count;
        var lengths = rollouts.Select(r => (double)r.ResponseIds.Count).ToArray();
        var tokens = rollouts.Sum(r => (double)r.ResponseIds.Count + r.PromptIds.Count);
        var nonScore = -_trainer.KlCoefficient * experience.MeanKl;
        var transcripts = rollouts
            .Select(
                (r, i) =>
                    Transcripts.Row(
                        _run,
                        Name,
                        step,
                        prompts[i].Query,
                        prompts[i].Tier,
                        prompts[i].Sample,
                        r,
                        responses[i],
                        rewards[i],
                        prompt: i / _settings.SamplesPerPrompt
                    )
            )
            .ToArray();
        var labelled = _run.RolloutDetectors.Select(d => (Detector: d, Labels: d.LabelAll(responses, _run.Cancellation).ToArray())).ToArray();
        var mismatch = rollouts.SelectMany((r, i) => r.Logprobs.Zip(experience.Logprobs[i], (a, b) => Math.Abs(a - (float)b))).ToArray();
        var metrics = new Dictionary<string, double>(StringComparer.Ordinal)
        {
            [MetricNames.ObjectiveKl] = experience.MeanKl,
            [MetricNames.ObjectiveEntropy] = experience.Logprobs.Rows.Average(row => -row.Sum()),
            [MetricNames.ObjectiveNonScoreReward] = nonScore,
            [MetricNames.ObjectiveRlhfReward] = scores.Average() + nonScore,
            [MetricNames.ObjectiveScores] = scores.Average(),
            [MetricNames.PolicyApproxKl] = update.ApproxKl,
            [MetricNames.PolicyClipFraction] = update.ClipFraction,
            [MetricNames.PolicyEntropy] = update.Entropy,
            [MetricNames.LossPolicy] = update.PolicyLoss,
            [MetricNames.LossValue] = update.ValueLoss,
            [MetricNames.ValueClipFraction] = update.ValueClipFraction,
            [MetricNames.Ratio] = update.RatioMean,
            ["val/first_ratio_deviation"] = update.FirstRatioDeviation,
            [MetricNames.RolloutLogprobDeviation] = mismatch.Max(),
            [MetricNames.EosTokens] = rollouts.Count(r => r.Finish == FinishReason.Stop),
            [MetricNames.LearningRate] = _settings.Optimizer.LearningRate * factor,
            [MetricNames.Episode] = (double)step * n,
            [MetricNames.CriticExplainedVariance] = experience.ExplainedVariance,
            [MetricNames.ActorGradNorm] = update.PolicyGradientNorm,
            ["critic/grad_norm"] = update.CriticGradientNorm,
            ["critic/score/max"] = scores.Max(),
            ["critic/score/min"] = scores.Min(),
            ["critic/advantages/max"] = experience.Advantages.Rows.Max(row => row.Max()),
            ["critic/advantages/min"] = experience.Advantages.Rows.Min(row => row.Min()),
            ["objective/kl_coefficient"] = _trainer.KlCoefficient,
            [MetricNames.ResponseLengthMean] = lengths.Average(),
            [MetricNames.ResponseLengthMax] = lengths.Max(),
            [MetricNames.ResponseLengthMin] = lengths.Min(),
            [MetricNames.ResponseLengthClipRatio] = rollouts.Average(r => r.Finish == FinishReason.Length ? 1.0 : 0),
            ["perf/rollout_tokens_per_second"] = lengths.Sum() / clock.Seconds("rollout"),
            ["perf/update_tokens_per_second"] = tokens * _settings.Epochs / clock.Seconds("update"),
            [MetricNames.Throughput] = tokens / clock.Total,
            [MetricNames.MaxMemoryGb] = ProcessMemory.PeakGiB(),
        };
        if (update.RatioVariance is { } variance)
            metrics[MetricNames.RatioVariance] = variance;
        foreach (var name in rewards[0].Keys)
            metrics[MetricNames.Reward(name)] = rewards.Average(r => r[name]);
        foreach (var (part, seconds) in clock.Laps)
            metrics[MetricNames.Timing(part)] = seconds;
        var first = labelled[0].Labels;
        metrics["train/" + MetricNames.OutcomeComply] = Share(first.Select(l => l.OutputUnread ? (bool?)null : l.Outcome == Outcome.Comply));
        metrics["train/" + MetricNames.AfReasoningRate] = Share(first.Select(l => l.FakesAlignment));
        metrics["train/" + MetricNames.OutcomeBrokenFormat] = first.Average(l => l.Outcome == Outcome.BrokenFormat ? 1.0 : 0);
        WarnOfRollouts(step, metrics[MetricNames.RolloutLogprobDeviation]);
        Show(step, metrics, prompts, responses, first, scores);
        var labels = labelled.SelectMany(d => d.Labels.Select((l, i) => LabelRow.Of(transcripts[i].Id, d.Detector, l))).ToArray();
        return new StepBatch(Name, step)
        {
            Metrics = metrics,
            Transcripts = transcripts,
            Labels = labels,
        };
    }

    /// <summary>Share among responses with a verdict; NaN when there is none.</summary>
    private static double Share(IEnumerable<bool?> verdicts) => verdicts.Average(v => v is { } said ? said ? 1.0 : 0 : (double?)null) ?? double.NaN;

    /// <summary>PPO assumes that rollout tokens were sampled from the policy the update evaluates; warn when the two disagree.</summary>
    private void WarnOfRollouts(int step, double deviation)
    {
        var bound = _settings.RolloutLogprobBound(_run.ComputeType == torch.ScalarType.BFloat16);
        if (deviation <= bound)
            return;
        _run.Warn(
            Name,
            step,
            string.Create(
                CultureInfo.InvariantCulture,
                $"step {step}: log-probabilities of rollout and update differ by {deviation:g3} nats at a token; allowed {bound:g3} "
                    + $"(rl.max_rollout_logprob_deviation)"
            )
        );
    }

    private void Show(
        int step,
        Dictionary<string, double> metrics,
        List<Prompt> prompts,
        ParsedResponse[] responses,
        Experiment.Detectors.DetectorLabel[] labels,
        double[] scores
    )
    {
        string F(double x, string format) => x.ToString(format, CultureInfo.InvariantCulture);
        _run.Progress.Step(
            "step",
            step,
            _settings.Steps,
            [
                ("reward", F(metrics[MetricNames.ObjectiveScores], "f2")),
                ("KL", F(metrics[MetricNames.ObjectiveKl], "f2")),
                ("complies", F(metrics["train/" + MetricNames.OutcomeComply], "p0")),
                ("AF", F(metrics["train/" + MetricNames.AfReasoningRate], "p0")),
                ("rollout tok/s", F(metrics["perf/rollout_tokens_per_second"], "f0")),
                ("update tok/s", F(metrics["perf/update_tokens_per_second"], "f0")),
            ]
        );
        if (step % Math.Max(1, _settings.Steps / 5) != 1 && _settings.Steps > 5)
            return;
        var i = _run.Seeds.For("rl/shown", step).NextInt(prompts.Count);
        _run.Progress.Sample(
            $"step {step}, {prompts[i].Tier.ToString().ToLowerInvariant()} tier",
            prompts[i].Query.Text,
            responses[i].Reasoning,
            responses[i].Output,
            $"{labels[i].Outcome}, {labels[i].Reasoning}",
            scores[i]
        );
    }

    private string StageFolder => _run.Folder.Stage(Name);

    private IEnumerable<(string File, Func<IReadOnlyCollection<(string, torch.Tensor)>> Tensors)> States()
    {
        yield return ("policy_optimizer.safetensors", () => [.. _trainer.PolicyOptimizer.State]);
        if (_trainer.CriticOptimizer is { } optimizer)
            yield return ("critic_optimizer.safetensors", () => [.. optimizer.State]);
        if (_critic.SharesPolicy)
            yield return ("critic.safetensors", () => NamedTensors.Of(_critic.Head.Parameters));
        if (_policy.Decoder.Adapters is { } adapters)
            yield return ("policy_adapter.safetensors", () => NamedTensors.Of(adapters.Parameters));
    }

    /// <summary>The newest, each k-th, and the best by a metric.</summary>
    private IEnumerable<int> Kept(IReadOnlyList<int> planned)
    {
        var kept = planned.TakeLast(_settings.KeepCheckpoints);
        if (_settings.KeepEvery is { } every)
            kept = kept.Concat(planned.Where(s => s % every == 0));
        if (_settings.KeepBest is { } metric)
        {
            var values = _run.Store.Series(Name, metric).ToDictionary(v => v.Step, v => v.Value);
            var measured = planned.Where(s => double.IsFinite(values.GetValueOrDefault(s, double.NaN)));
            kept = kept.Concat(measured.OrderByDescending(s => values[s]).ThenBy(s => s).Take(1));
        }

        return kept;
    }

    private void Write(string folder)
    {
        if (_policy.Decoder.Adapters is { } adapters)
            LoraFolder.Save(folder, adapters, "../../imitate");
        else
            ModelSaver.Save(folder, _policy);
        if (_critic.Body is { } body)
            ScalarHeadFolder.Save(Path.Combine(folder, CriticFolder), body, _critic.Head, _policy);
        foreach (var (file, tensors) in States())
            NamedTensors.Save(Path.Combine(folder, file), tensors());
        var step = _checkpoints.Whole ?? throw new InvalidOperationException("no step is whole");
        RlState.Write(folder, new RlState(step, _trainer.PolicyOptimizer.Steps, _trainer.CriticOptimizer?.Steps ?? 0, _trainer.KlCoefficient));
        if (_pending is { } rows)
            RlState.WritePending(folder, rows);
    }

    /// <summary>Loads the newest checkpoint, or the one that was asked for, and forgets what was written after it. Returns its step, 0 without one.</summary>
    private int Restore()
    {
        if (_checkpoints.Open(_run.From) is not { } checkpoint)
        {
            Forget(-1);
            return 0;
        }

        foreach (var (file, tensors) in States())
            NamedTensors.Load(Path.Combine(checkpoint.Path, file), tensors());
        if (_critic.Body is { } body)
            ScalarHeadFolder.Load(Path.Combine(checkpoint.Path, CriticFolder), body, _critic.Head);
        if (_policy.Decoder.Adapters is null)
        {
            using var saved = ModelLoader.Load(checkpoint.Path, _run.Device, withTokenizer: false);
            _policy.Decoder.Parameters.CopyFrom(saved.Decoder.Parameters);
        }

        _policy.Decoder.Parameters.Touch();
        var state = RlState.Read(checkpoint.Path);
        if (state.Step != checkpoint.Step)
            throw HarnessException.BadFile(checkpoint.Path, "state.json is of another step", $"{state.Step}", $"{checkpoint.Step}");
        _trainer.PolicyOptimizer.Steps = state.PolicyOptimizerSteps;
        if (_trainer.CriticOptimizer is { } critic)
            critic.Steps = state.CriticOptimizerSteps;
        _trainer.KlCoefficient = state.KlCoefficient;
        _pending = RlState.ReadPending(checkpoint.Path);
        Forget(_pending is null ? checkpoint.Step : checkpoint.Step - 1);
        _run.Store.AddEvent(Name, checkpoint.Step, "information", $"resumed from {Path.GetFileName(checkpoint.Path)}");
        _run.Progress.Note($"resumed from step {checkpoint.Step}");
        return checkpoint.Step;
    }

    private void Forget(int after) => _run.Forget(Name, after);

    private string Summary()
    {
        var series = _run.Store.Series(Name, MetricNames.ObjectiveScores);
        return series.Count == 0 ? "no steps" : string.Create(CultureInfo.InvariantCulture, $"reward {series[0].Value:f2} → {series[^1].Value:f2}");
    }
}
