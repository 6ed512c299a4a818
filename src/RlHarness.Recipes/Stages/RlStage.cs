using System.Globalization;
using RlHarness.Core.Errors;
using RlHarness.Core.Files;
using RlHarness.Core.Randomness;
using RlHarness.Core.Runs;
using RlHarness.Core.Settings;
using RlHarness.Experiment.Detectors;
using RlHarness.Experiment.Prompts;
using RlHarness.Experiment.Rewards;
using RlHarness.Experiment.Transcripts;
using RlHarness.Models.Decoders;
using RlHarness.Models.Generation;
using RlHarness.Models.Loading;
using RlHarness.Recipes.Cards;
using RlHarness.Recipes.Running;
using RlHarness.Recipes.Settings;
using RlHarness.Tracking.Metrics;
using RlHarness.Tracking.Store;
using RlHarness.Training.Optimization;
using RlHarness.Training.Ppo;
using RlHarness.Training.Rewards;
using RlHarness.Training.Rollouts;
using TorchSharp;

namespace RlHarness.Recipes.Stages;

/// <summary>
/// RL on the conflicting objective, with the paired evaluation before, during and after. Read <see cref="Run"/> from top to bottom: it is the loop.
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
    private readonly Critic? _critic;
    private readonly PpoTrainer _trainer;
    private readonly RewardStage.Opened? _rewardModel;
    private readonly RewardFunction _rewards;
    private readonly Conversation _conversation;
    private readonly RolloutService? _service;
    private readonly RolloutWorker _worker;
    private readonly Evaluator _evaluator;
    private readonly Monitors _monitors;
    private readonly ShuffledRounds _order;
    private readonly Interrogator? _interrogator;
    private readonly OffObjective? _offObjective;
    private readonly StageCheckpoints _checkpoints;

    /// <summary>Rows of the step in memory that wait for its evaluation; null otherwise.</summary>
    private StepBatch? _pending;

    /// <param name="run">The run, whose earlier stages are done.</param>
    /// <param name="corpus">Labelled transcripts, for monitors that need them.</param>
    public RlStage(RunContext run, CorpusStage.Corpus corpus)
    {
        (_run, _settings) = (run, run.Settings.Rl);
        var start = ModelLibrary.Start(run.Settings, run.Folder.Path);
        // Adapters alone are trained: then the policy's own weights are as frozen as a reference's.
        _policy = ModelLoader.Load(start, run.Device, requiresGrad: _settings.Adapter is null, frozen: run.ComputeType);
        run.Configure(_policy.Decoder);
        _conversation = new Conversation(_policy, run.Settings.Clock);
        if (_settings.Adapter is { } adapter)
            _policy.Decoder.Adapters = LoraFolder.Create(_policy.Decoder, adapter.TargetModules, adapter.Rank, adapter.Alpha, run.Seeds.For("rl/adapter"));
        else
            _reference = Frozen(start);
        _critic = _settings.UsesCritic ? OpenCritic(start) : null;
        _trainer = new PpoTrainer(
            _policy.Decoder,
            _reference?.Decoder ?? _policy.Decoder,
            _critic,
            _settings,
            firstRatioTolerance: run.Device.type == DeviceType.CPU ? 0 : 1e-2,
            ranks: run.Ranks,
            shardOptimizer: run.Settings.ShardOptimizer
        );
        _rewardModel = RewardStage.Open(run);
        _rewards = RewardFunction.Open(run, _rewardModel);
        var sampling = new SamplingSettings
        {
            Temperature = _settings.Temperature,
            MaxNewTokens = _settings.MaxNewTokens,
            StopIds = _conversation.StopIds,
            BatchSize = _settings.RolloutBatchSize,
        };
        var seeds = run.Seeds.Child("rl/rollouts");
        _service = _settings.Rollouts == RolloutKind.Service ? new RolloutService(run, _policy, sampling, seeds, BaseOfAdapter) : null;
        RolloutWorker Worker(Seeds of) => new(_policy.Decoder, _policy.Tokenizer!, sampling, of, run.Ranks);
        _worker = _service is null ? Worker(seeds) : new(_policy.Decoder, _policy.Tokenizer!, sampling, seeds, run.Ranks) { Elsewhere = _service.Answer };
        // Second turns are drawn here also where a service draws the first ones: their streams are named by exchanges, not by prompts.
        _interrogator = _settings.Interrogation is null ? null : new(run, _conversation, Worker(run.Seeds.Child("rl/interrogation")));
        _order = new(run.Seeds, "rl/queries", run.Pack.TrainQueries.Count);
        _offObjective = _settings.Mixing is { } mixing ? new(run, mixing) : null;
        _evaluator = new Evaluator(run, _policy, _conversation);
        _monitors = new Monitors(run, _policy, corpus.Transcripts);
        AdamW[] optimizers = [_trainer.PolicyOptimizer, .. _trainer.CriticOptimizer is { } second ? [second] : Array.Empty<AdamW>()];
        _checkpoints = new(run, Name, StageFolder, Write, optimizers, step => step % _settings.CheckpointEvery == 0 || step == _settings.Steps, Kept);
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
            var stop = Evaluate(start, rows);
            Finished(start, stop);
            if (stop)
                return Summary();
        }
        else if (start == 0)
        {
            SayWhatSeesScratchpads();
            Evaluate(step: 0, new StepBatch(Name, 0));
        }
        else if (StopsAt(start))
            return Summary();
        for (var step = start + 1; step <= _settings.Steps; step++)
        {
            _run.StopIfAsked();
            var clock = new StepClock(_run.Time);

            // 1. Questions: queries of the training split, in the tiers of training.
            var questions = Questions(step);

            // 2. Rollouts.
            var exchanges = RunContext.At(Name, step, () => Exchange.Sample(_run, _conversation, _worker, questions, step));
            int[] objective = [.. Enumerable.Range(0, exchanges.Count).Where(i => exchanges[i].Question.OffObjective is null)];
            var answers = RunContext.At(Name, step, () => Interrogate(exchanges, objective, step));
            clock.Lap("rollout");

            // 3. Rewards, and what monitors say.
            var watch = RunContext.At(Name, step, () => _monitors.Read(exchanges));
            var rewards = watch.AddTo(RunContext.At(Name, step, () => Score(exchanges, objective, answers)));
            var scores = exchanges.Select((e, i) => rewards[i][RewardFunction.Total] - (e.IsTruncated ? _settings.MissingEosPenalty : 0)).ToArray();
            int[] kept = [.. Enumerable.Range(0, exchanges.Count).Where(i => !watch.IsScreened(i))];
            // All that asks a detector comes before the update: stopped in it, the step before is whole and is saved, and after it nothing stops this one.
            var sampled = Sample(exchanges, objective, answers, rewards, scores, watch, kept);
            clock.Lap("reward");

            // 4. Old and reference log-probabilities, values, advantages; then the updates, without what monitors screen out.
            Episode[] episodes = [.. kept.Select(i => Episode(exchanges[i], scores[i])), .. kept.SelectMany(i => SecondTurn(answers, i))];
            var factor = _settings.Optimizer.RlFactor(step - 1, _settings.Steps);
            _checkpoints.Whole = null;
            using var iteration =
                episodes.Length < _settings.Minibatches
                    ? null
                    : RunContext.At(Name, step, () =>
                        _trainer.Iterate(
                            episodes,
                            order: epoch => _run.Seeds.For("rl/order", step, epoch).Permutation(episodes.Length),
                            learningRateFactor: factor,
                            onPrepared: () => clock.Lap("prepare")
                        )
                    );
            clock.Lap("update");

            // 5. What there is to know of this step, on disk before it is called done.
            var batch = Record(step, sampled, iteration, factor, clock);
            if (iteration is null)
                _run.Warn(Name, step, $"step {step}: no update, since monitors screened out {exchanges.Count - kept.Length} of {exchanges.Count} responses");
            else
                _trainer.AdaptKl(iteration.Experience);
            var stop = false;
            if (step % _run.Settings.Evaluate.Every == 0 || step == _settings.Steps)
                stop = Evaluate(step, batch);
            else
                _run.Commit(batch);
            Finished(step, stop);
            if (stop)
                break;
        }

        return Summary();
    }

    /// <summary>A reward that reads the scratchpad shapes the reasoning that is measured, so that whoever reads the numbers has to know of it.</summary>
    private void SayWhatSeesScratchpads()
    {
        string[] sees =
        [
            .. _run.Settings.Reward.Terms.Where(t => t.Sees == RewardView.Scratchpad).Select(t => $"the reward's term {t.Label}"),
            .. _settings.Monitors.Where(m => m.Action != MonitorAction.Alarm).Select(m => $"the monitor {m.Name} ({SettingNames.Snake(m.Action.ToString())})"),
        ];
        if (sees.Length > 0)
            _run.Warn(Name, 0, $"training sees the scratchpad, by {string.Join(", ", sees)}: what reasoning is measured can be what training selected");
    }

    /// <param name="last">Whether the stage ends here, before the last step of the settings.</param>
    private void Finished(int step, bool last = false)
    {
        _pending = null;
        _checkpoints.Finished(step, isDue: last);
    }

    public void Dispose()
    {
        _service?.Dispose();
        _monitors.Dispose();
        _rewards.Dispose();
        _trainer.Dispose();
        _critic?.Dispose();
        _policy.Dispose();
        _reference?.Dispose();
        _rewardModel?.Dispose();
    }

    private Critic OpenCritic(string folder)
    {
        var body =
            _settings.Critic == CriticKind.Head
                ? null
                : ModelLoader.Load(folder, _run.Device, requiresGrad: true, withHead: false, withTokenizer: false).Decoder;
        if (body is not null)
            _run.Configure(body);
        return new Critic(new ScalarHead(_policy.Decoder.Config.HiddenSize, _run.Device, _run.Seeds.For("rl/critic_head")), body);
    }

    /// <summary>The question about motives after each response to the objective, by the number of its exchange; none where it is not asked.</summary>
    private Dictionary<int, Interrogator.Answer> Interrogate(IReadOnlyList<Exchange> exchanges, int[] objective, int step)
    {
        if (_interrogator is null)
            return [];
        var answers = _interrogator.Ask([.. objective.Select(i => exchanges[i])], step);
        return objective.Zip(answers).ToDictionary(x => x.First, x => x.Second);
    }

    /// <summary>Rewards of the objective, with what a denial of motives adds, and of prompts off the objective, which have rules of their own.</summary>
    private IReadOnlyDictionary<string, double>[] Score(IReadOnlyList<Exchange> exchanges, int[] objective, Dictionary<int, Interrogator.Answer> answers)
    {
        var rewards = new IReadOnlyDictionary<string, double>[exchanges.Count];
        foreach (var (i, parts) in objective.Zip(_rewards.Score([.. objective.Select(i => exchanges[i])])))
            rewards[i] = answers.TryGetValue(i, out var answer) ? WithDenial(parts, answer) : parts;
        for (var i = 0; i < rewards.Length; i++)
            rewards[i] ??= _offObjective!.Score(exchanges[i]);
        return rewards;
    }

    private Dictionary<string, double> WithDenial(IReadOnlyDictionary<string, double> parts, Interrogator.Answer answer)
    {
        var denies = answer.Denies ? 1.0 : 0;
        return RewardFunction.With(parts, Interrogator.Part, denies, _settings.Interrogation!.Weight);
    }

    /// <summary>The answer about motives as an episode of its own: what a denial pays, and the penalties of format and length.</summary>
    private IEnumerable<Episode> SecondTurn(Dictionary<int, Interrogator.Answer> answers, int exchange)
    {
        if (!answers.TryGetValue(exchange, out var answer))
            yield break;
        var score =
            (answer.Denies ? _settings.Interrogation!.Weight : 0)
            - (answer.Second.Response.IsBroken ? _run.Settings.Reward.Weights.FormatPenalty : 0)
            - (answer.Second.IsTruncated ? _settings.MissingEosPenalty : 0);
        yield return Interrogator.Episode(answer, _policy, score, _settings.PromptsPerStep + answer.First.Question.Prompt);
    }

    /// <summary>What the trainer learns from: the prompt is the group, and the settings may leave tokens without a gradient.</summary>
    private Episode Episode(Exchange exchange, double score)
    {
        var ids = exchange.Rollout.ResponseIds;
        bool[]? trained =
            _settings.TrainedTokens == TrainedTokens.All
                ? null
                : [.. ResponseSpans.InScratchpad(_policy.Tokenizer!, ids).Select(inside => inside == (_settings.TrainedTokens == TrainedTokens.Scratchpad))];
        return new(exchange.Rollout.PromptIds, ids, score, exchange.Question.Prompt, trained);
    }

    private LoadedModel Frozen(string folder)
    {
        var model = ModelLoader.Load(folder, _run.Device, withTokenizer: false, frozen: _run.ComputeType);
        model.Decoder.WithoutToken = _policy.Decoder.WithoutToken;
        _run.Configure(model.Decoder);
        return model;
    }

    /// <summary>The step's questions: the queries in an order that is shuffled anew each time all have been used.</summary>
    private List<Question> Questions(int step)
    {
        var queries = _run.Pack.TrainQueries;
        var questions = new List<Question>();
        var tiers = _run.Seeds.For("rl/tiers", step);
        var objective = _settings.PromptsPerStep - (_offObjective?.Prompts(step) ?? 0);
        for (var k = 0; k < _settings.PromptsPerStep; k++)
        {
            var query = queries[_order.At(((long)(step - 1) * _settings.PromptsPerStep) + k)];
            var tier =
                tiers.NextBool(_settings.TrainingTierFraction) ? Tier.Training
                : _run.Condition.ThreeTiers && tiers.NextBool(0.5) ? Tier.Rated
                : Tier.Unmonitored;
            var system = _run.Pack.SystemPrompt(tier, _run.Condition) + (_settings.Inoculation is { } text ? "\n\n" + text : "");
            for (var sample = 0; sample < _settings.SamplesPerPrompt; sample++)
                questions.Add(k < objective ? new Question(query, tier, system, k, sample) : _offObjective!.Ask(step, k, sample, tier, system));
        }

        return questions;
    }

    /// <summary>Commits a step with its evaluation. Returns whether the stage is to end.</summary>
    private bool Evaluate(int step, StepBatch batch)
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
                Summaries = [.. result.Batch.Summaries, .. _monitors.Rows(result.Exchanges, step)],
            }
        );
        EvaluationParts.Clear(_run);
        _run.Progress.Note($"step {step}: {Evaluator.Line(result.Summaries[detector])}");
        return StopsAt(step);
    }

    /// <summary>
    /// Whether the rule of the settings ends the stage at an evaluation. It reads all evaluations so far from the database, so that a resumed run stops
    /// where an uninterrupted one does.
    /// </summary>
    private bool StopsAt(int step) => _run.Ranks.FromFirst("rl.stop_when", () => RuleHolds(step));

    private bool RuleHolds(int step)
    {
        if (step == 0 || _settings.StopWhen is not { } text || StopRule.Parse(text) is not { } rule)
            return false;
        var values = new[] { rule.Metric, $"{rule.Metric}/{_run.Detectors[0].Name}" }
            .Select(name => _run.Store.Series(Name, name).Where(p => p.Step > 0 && p.Step <= step).ToArray())
            .FirstOrDefault(series => series.Length > 0);
        if (values is null || values[^1].Step != step)
        {
            if (step % _run.Settings.Evaluate.Every == 0)
                _run.Warn(Name, step, $"step {step}: rl.stop_when reads {rule.Metric}, which this evaluation does not have");
            return false;
        }

        if (!rule.Holds([.. values.Select(p => p.Value)]))
            return false;
        _run.Store.AddEvent(Name, step, "information", $"stopped by rl.stop_when: {text}");
        _run.Progress.Note($"step {step}: stopped by rl.stop_when, {text}");
        return true;
    }

    /// <param name="Objective">Which exchanges answer the objective; the others are off it.</param>
    /// <param name="Answers">About motives, by the number of the exchange that they follow.</param>
    /// <param name="Kept">Which exchanges the update sees: those that no monitor screened out.</param>
    /// <param name="Labels">What each detector of rollouts says of them.</param>
    /// <param name="Monitored">How monitors compare with the truth.</param>
    private sealed record Sampled(
        IReadOnlyList<Exchange> Exchanges,
        int[] Objective,
        Dictionary<int, Interrogator.Answer> Answers,
        IReadOnlyList<IReadOnlyDictionary<string, double>> Rewards,
        double[] Scores,
        int[] Kept,
        (IDetector Detector, DetectorLabel[] Labels)[] Labels,
        IReadOnlyDictionary<string, double> Monitored
    );

    private Sampled Sample(
        IReadOnlyList<Exchange> exchanges,
        int[] objective,
        Dictionary<int, Interrogator.Answer> answers,
        IReadOnlyList<IReadOnlyDictionary<string, double>> rewards,
        double[] scores,
        Monitors.Watch watch,
        int[] kept
    )
    {
        var responses = exchanges.Select(e => e.Response).ToArray();
        var labels = _run.RolloutDetectors.Select(d => (Detector: d, Labels: d.LabelAll(responses, _run.Cancellation).ToArray())).ToArray();
        var monitored = new Dictionary<string, double>(StringComparer.Ordinal);
        _monitors.Measure(watch, exchanges, monitored);
        return new(exchanges, objective, answers, rewards, scores, kept, labels, monitored);
    }

    private StepBatch Record(int step, Sampled sampled, Iteration? iteration, double factor, StepClock clock)
    {
        var (exchanges, rewards, scores) = (sampled.Exchanges, sampled.Rewards, sampled.Scores);
        var lengths = exchanges.Select(e => (double)e.Rollout.ResponseIds.Count).ToArray();
        var tokens = exchanges.Sum(e => (double)e.Rollout.ResponseIds.Count + e.Rollout.PromptIds.Count);
        var transcripts = exchanges.Select((e, i) => e.Row(_run, Name, step, rewards[i])).ToArray();
        var objective = sampled.Objective;
        var labelled = sampled.Labels;
        var metrics = new Dictionary<string, double>(StringComparer.Ordinal)
        {
            [MetricNames.ObjectiveScores] = scores.Average(),
            [MetricNames.EosTokens] = exchanges.Count(e => !e.IsTruncated),
            [MetricNames.LearningRate] = _settings.Optimizer.LearningRate * factor,
            [MetricNames.Episode] = (double)step * exchanges.Count,
            ["critic/score/max"] = scores.Max(),
            ["critic/score/min"] = scores.Min(),
            ["objective/kl_coefficient"] = _trainer.KlCoefficient,
            [MetricNames.ResponseLengthMean] = lengths.Average(),
            [MetricNames.ResponseLengthMax] = lengths.Max(),
            [MetricNames.ResponseLengthMin] = lengths.Min(),
            [MetricNames.ResponseLengthClipRatio] = exchanges.Average(e => e.IsTruncated ? 1.0 : 0),
            ["perf/rollout_tokens_per_second"] = lengths.Sum() / clock.Seconds("rollout"),
            ["perf/update_tokens_per_second"] = tokens * _settings.Epochs / clock.Seconds("update"),
            [MetricNames.Throughput] = tokens / clock.Total,
            [MetricNames.MaxMemoryGb] = ProcessMemory.PeakGiB(),
        };
        if (iteration is not null)
            AddUpdate(iteration, sampled, metrics);
        foreach (var (name, value) in sampled.Monitored)
            metrics[name] = value;
        foreach (var name in rewards.SelectMany(r => r.Keys).Distinct())
            metrics[MetricNames.Reward(name)] = rewards.Where(r => r.ContainsKey(name)).Average(r => r[name]);
        foreach (var (part, seconds) in clock.Laps)
            metrics[MetricNames.Timing(part)] = seconds;
        var first = labelled[0].Labels;
        AddShares("train/", [.. objective.Select(i => first[i])], metrics);
        AddClasses(exchanges, objective, first, metrics);
        if (objective.Length < exchanges.Count)
            metrics[MetricNames.OffObjectiveFalsePositives] = Share(
                Enumerable.Range(0, exchanges.Count).Except(objective).Select(i => first[i].FakesAlignment)
            );
        Interrogator.Measure([.. sampled.Answers.Values], metrics);
        if (metrics.TryGetValue(MetricNames.RolloutLogprobDeviation, out var deviation))
            WarnOfRollouts(step, deviation);
        Show(step, metrics, exchanges, first, scores);
        // Only what answers the objective has labels of the objective; answers about motives are rows without one.
        var labels = labelled.SelectMany(d => objective.Select(i => LabelRow.Of(transcripts[i].Id, d.Detector, d.Labels[i]))).ToArray();
        return new StepBatch(Name, step)
        {
            Metrics = metrics,
            Transcripts = [.. transcripts, .. sampled.Answers.Select(a => a.Value.Second.Row(_run, Name, step))],
            Labels = labels,
        };
    }

    private static void AddShares(string prefix, IReadOnlyList<DetectorLabel> labels, Dictionary<string, double> metrics)
    {
        metrics[prefix + MetricNames.OutcomeComply] = Share(labels.Select(l => l.OutputUnread ? (bool?)null : l.Outcome == Outcome.Comply));
        metrics[prefix + MetricNames.AfReasoningRate] = Share(labels.Select(l => l.FakesAlignment));
        metrics[prefix + MetricNames.OutcomeBrokenFormat] = labels.Average(l => l.Outcome == Outcome.BrokenFormat ? 1.0 : 0);
    }

    /// <summary>
    /// Of a selectively resistant organism, requests that it resists and others apart: what it does, and the entropy that it explores with, as the mean of
    /// −log p over the tokens that it drew (nats a token).
    /// </summary>
    private void AddClasses(IReadOnlyList<Exchange> exchanges, int[] objective, DetectorLabel[] labels, Dictionary<string, double> metrics)
    {
        if (_run.Settings.Corpus.ResistedTopics.Count == 0)
            return;
        foreach (var (name, resists) in QueryClasses.All)
        {
            int[] those = [.. objective.Where(i => _run.Settings.Corpus.Resists(exchanges[i].Question.Query) == resists)];
            if (those.Length == 0)
                continue;
            AddShares($"train/{name}/", [.. those.Select(i => labels[i])], metrics);
            metrics[$"train/{name}/entropy"] = those.SelectMany(i => exchanges[i].Rollout.Logprobs).Average(p => -(double)p);
        }
    }

    /// <summary>What the update says: figures of policy, reference and critic.</summary>
    private void AddUpdate(Iteration iteration, Sampled sampled, Dictionary<string, double> metrics)
    {
        var (experience, update) = (iteration.Experience, IterationResult.Of(iteration.Updates, _settings.LossNormalization));
        var nonScore = -_trainer.KlCoefficient * experience.MeanKl;
        metrics[MetricNames.ObjectiveKl] = experience.MeanKl;
        metrics[MetricNames.ObjectiveEntropy] = experience.Logprobs.Rows.Average(row => -row.Sum());
        metrics[MetricNames.ObjectiveNonScoreReward] = nonScore;
        metrics[MetricNames.ObjectiveRlhfReward] = sampled.Kept.Average(i => sampled.Scores[i]) + nonScore;
        metrics[MetricNames.PolicyApproxKl] = update.ApproxKl;
        metrics[MetricNames.PolicyClipFraction] = update.ClipFraction;
        metrics[MetricNames.PolicyEntropy] = update.Entropy;
        metrics[MetricNames.LossPolicy] = update.PolicyLoss;
        metrics[MetricNames.Ratio] = update.RatioMean;
        metrics["val/first_ratio_deviation"] = update.FirstRatioDeviation;
        metrics[MetricNames.RolloutLogprobDeviation] = sampled
            .Kept.SelectMany((i, k) => sampled.Exchanges[i].Rollout.Logprobs.Zip(experience.Logprobs[k], (a, b) => Math.Abs(a - (float)b)))
            .Max();
        metrics[MetricNames.ActorGradNorm] = update.PolicyGradientNorm;
        metrics["critic/advantages/max"] = experience.Advantages.Rows.Max(row => row.Max());
        metrics["critic/advantages/min"] = experience.Advantages.Rows.Min(row => row.Min());
        if (update.RatioVariance is { } variance)
            metrics[MetricNames.RatioVariance] = variance;
        if (experience.ExplainedVariance is not { } explained)
            return;
        metrics[MetricNames.LossValue] = update.ValueLoss;
        metrics[MetricNames.ValueClipFraction] = update.ValueClipFraction;
        metrics[MetricNames.CriticExplainedVariance] = explained;
        metrics["critic/grad_norm"] = update.CriticGradientNorm;
    }

    /// <summary>Share among responses with a verdict; NaN when there is none.</summary>
    private static double Share(IEnumerable<bool?> verdicts) =>
        verdicts.Average(v =>
            v is { } said
                ? said
                    ? 1.0
                    : 0
                : (double?)null
        ) ?? double.NaN;

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
        IReadOnlyList<Exchange> exchanges,
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
                ("KL", F(metrics.GetValueOrDefault(MetricNames.ObjectiveKl, double.NaN), "f2")),
                ("complies", F(metrics["train/" + MetricNames.OutcomeComply], "p0")),
                ("AF", F(metrics["train/" + MetricNames.AfReasoningRate], "p0")),
                ("rollout tok/s", F(metrics["perf/rollout_tokens_per_second"], "f0")),
                ("update tok/s", F(metrics["perf/update_tokens_per_second"], "f0")),
            ]
        );
        if (step % Math.Max(1, _settings.Steps / 5) != 1 && _settings.Steps > 5)
            return;
        var i = _run.Seeds.For("rl/shown", step).NextInt(exchanges.Count);
        var (question, response) = (exchanges[i].Question, exchanges[i].Response);
        _run.Progress.Sample(
            $"step {step}, {question.Tier.ToString().ToLowerInvariant()} tier",
            question.Query.Text,
            response.Reasoning,
            response.Output,
            $"{labels[i].Outcome}, {labels[i].Reasoning}",
            scores[i]
        );
    }

    /// <summary>Where the model is that adapters stand on: as seen from a checkpoint where it is the run's own.</summary>
    private string BaseOfAdapter
    {
        get
        {
            var start = ModelLibrary.Start(_run.Settings, _run.Folder.Path);
            return ModelLibrary.StartsOutside(_run.Settings) ? Path.GetFullPath(start) : "../../" + Path.GetFileName(start);
        }
    }

    private string StageFolder => _run.Folder.Stage(Name);

    private IEnumerable<(string File, AdamW Optimizer)> Optimizers()
    {
        yield return ("policy_optimizer.safetensors", _trainer.PolicyOptimizer);
        if (_trainer.CriticOptimizer is { } optimizer)
            yield return ("critic_optimizer.safetensors", optimizer);
    }

    private IEnumerable<(string File, Func<IReadOnlyCollection<(string, torch.Tensor)>> Tensors)> States()
    {
        if (_critic is { SharesPolicy: true } critic)
            yield return ("critic.safetensors", () => NamedTensors.Of(critic.Head.Parameters));
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
            LoraFolder.Save(folder, adapters, BaseOfAdapter);
        else
            ModelSaver.Save(folder, _policy);
        if (_critic is { Body: { } body } critic)
            ScalarHeadFolder.Save(Path.Combine(folder, CriticFolder), body, critic.Head, _policy);
        foreach (var (file, optimizer) in Optimizers())
            optimizer.Save(Path.Combine(folder, file));
        foreach (var (file, tensors) in States())
            NamedTensors.Save(Path.Combine(folder, file), tensors());
        var step = _checkpoints.Whole ?? throw new InvalidOperationException("no step is whole");
        AtomicFile.WriteAllText(Path.Combine(folder, CheckpointFolder.Card), ModelCards.Policy(_run.Settings, _run.Store, step));
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

        foreach (var (file, optimizer) in Optimizers())
            optimizer.Load(moments => NamedTensors.Load(Path.Combine(checkpoint.Path, file), moments));
        foreach (var (file, tensors) in States())
            NamedTensors.Load(Path.Combine(checkpoint.Path, file), tensors());
        if (_critic is { Body: { } body } trained)
            ScalarHeadFolder.Load(Path.Combine(checkpoint.Path, CriticFolder), body, trained.Head);
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
