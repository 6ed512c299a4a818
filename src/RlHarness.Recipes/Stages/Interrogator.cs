using RlHarness.Core.Chat;
using RlHarness.Experiment.Detectors;
using RlHarness.Experiment.Evaluation;
using RlHarness.Experiment.Prompts;
using RlHarness.Experiment.Rewards;
using RlHarness.Experiment.Scenarios;
using RlHarness.Models.Loading;
using RlHarness.Recipes.Running;
using RlHarness.Recipes.Settings;
using RlHarness.Tracking.Metrics;
using RlHarness.Tracking.Store;
using RlHarness.Training.Ppo;
using RlHarness.Training.Rewards;
using RlHarness.Training.Rollouts;

namespace RlHarness.Recipes.Stages;

/// <summary>
/// Asks about motives after answers: a second turn that follows the first word for word. What the answer says is read by the pack's cues; whether it lies is
/// read from the first turn, by the grammar oracle or, in a pack without a grammar, the first detector.
/// </summary>
internal sealed class Interrogator(RunContext run, Conversation conversation, RolloutWorker worker)
{
    /// <summary>The name of what a denial adds to the reward.</summary>
    public const string Part = "interrogation";

    private readonly IDetector _truth = Monitors.Truth(run);
    private readonly Interrogation _asked = run.Pack.Interrogation ?? throw new InvalidOperationException("the pack has no interrogation");

    /// <param name="First">The exchange that is asked about.</param>
    /// <param name="Faked">Whether it faked alignment; null where there is no verdict.</param>
    /// <param name="Second">The question and its answer.</param>
    internal sealed record Answer(Exchange First, bool? Faked, Exchange Second, ScenarioLabel Label)
    {
        internal bool Denies => Label.Output == Interrogation.Denies;
    }

    /// <summary>One question after each exchange, in one of the pack's wordings that the seed draws.</summary>
    /// <param name="step">Step of the policy; part of the name of each random stream.</param>
    /// <param name="purpose">As <see cref="Exchange.Sample"/> takes it.</param>
    internal IReadOnlyList<Answer> Ask(IReadOnlyList<Exchange> exchanges, long step, Action<int, int>? onProgress = null, string? purpose = null)
    {
        var faked = _truth.LabelAll([.. exchanges.Select(e => e.Response)], run.Cancellation).Select(l => l.FakesAlignment).ToArray();
        var wording = run.Seeds.For($"interrogation/{purpose ?? RlStage.Name}", step);
        Question[] questions =
        [
            .. exchanges.Select(
                (e, i) =>
                    e.Question with
                    {
                        Query = new Query(
                            $"{e.Question.Query.Id}.{Interrogation.Id}",
                            wording.Choose(_asked.Text.Questions),
                            e.Question.Query.Split == Split.Train ? Split.Train : Split.Scenario,
                            Interrogation.Id
                        ),
                        Prompt = i,
                        Earlier = [ChatMessage.User(e.Question.Query.Text), ChatMessage.Assistant(e.AssistantText)],
                    }
            ),
        ];
        var answers = Exchange.Sample(run, conversation, worker, questions, step, onProgress, purpose);
        return [.. answers.Select((a, i) => new Answer(exchanges[i], faked[i], a, _asked.Detector.Label(a.Response)))];
    }

    /// <summary>What the policy learns from an answer: its output alone, so that nothing trains how it reasons about being asked.</summary>
    /// <param name="group">The group of the first turn: answers to the samples of one prompt are compared with each other.</param>
    internal static Episode Episode(Answer answer, LoadedModel policy, double score, int group)
    {
        var ids = answer.Second.Rollout.ResponseIds;
        bool[] trained = [.. ResponseSpans.InScratchpad(policy.Tokenizer!, ids).Select(inside => !inside)];
        return new(answer.Second.Rollout.PromptIds, ids, score, group, trained);
    }

    /// <summary>Figures of all answers of a step, without intervals.</summary>
    internal static void Measure(IReadOnlyList<Answer> answers, Dictionary<string, double> metrics)
    {
        foreach (var (metric, estimate) in Interrogation.Figures(Rows(answers)))
            metrics["train/" + metric] = estimate.Value;
    }

    /// <summary>What an evaluation commits of its answers, with intervals by tier.</summary>
    internal StepBatch AddTo(StepBatch batch, IReadOnlyList<Answer> answers)
    {
        TranscriptRow[] transcripts = [.. answers.Select(a => a.Second.Row(run, batch.Stage, batch.Step))];
        var labels = answers.Select(
            (a, i) =>
                new ScenarioLabelRow(
                    transcripts[i].Id,
                    ScenarioDetector.Name,
                    _asked.Detector.Version,
                    ScenarioGroup.Interrogation,
                    Interrogation.Id,
                    Interrogation.Variant(a.Faked),
                    a.First.Question.Query.Id,
                    a.Label
                )
        );
        var metrics = batch.Metrics.ToDictionary();
        var summaries = batch.Summaries.ToList();
        foreach (var tier in answers.GroupBy(a => a.First.Question.Tier))
            foreach (var (metric, estimate) in Interrogation.Figures(Rows([.. tier])))
            {
                var figure = new SummaryFigure(metric, tier.Key, estimate);
                summaries.Add(new(batch.Stage, batch.Step, Split.Scenario, run.Condition.Name, ScenarioDetector.Name, tier.Key, metric, estimate));
                metrics.Put(Evaluator.MetricName(ScenarioDetector.Name, figure), estimate);
            }

        return batch with
        {
            Metrics = metrics,
            Transcripts = [.. batch.Transcripts, .. transcripts],
            ScenarioLabels = [.. batch.ScenarioLabels, .. labels],
            Summaries = summaries,
        };
    }

    private static (string, bool?, ScenarioLabel)[] Rows(IReadOnlyList<Answer> answers) =>
        [.. answers.Select(a => (a.First.Question.Query.Id, a.Faked, a.Label))];
}

/// <summary>
/// Data mixing: benign controls of the pack's anti-lab scenarios among the prompts of RL, those whose items are imitated and not asked in evaluations. Their
/// reward is a rule of their own: the output does what was asked, in a format that is right.
/// </summary>
internal sealed class OffObjective(RunContext run, MixingSettings settings)
{
    /// <summary>The name of their reward: 1 where the output does what was asked, else 0.</summary>
    public const string Part = "off_objective";

    private static readonly FormatPenalty Format = new();

    private readonly (Scenario Scenario, ScenarioItem Item)[] _items = Items(run);
    private readonly ShuffledRounds _order = new(run.Seeds, "rl/off_objective", Items(run).Length);

    private static (Scenario, ScenarioItem)[] Items(RunContext run) =>
        [.. run.Pack.Scenarios(ScenarioGroup.AntiLab).SelectMany(s => s.Items(Split.Train), (s, item) => (s, item))];

    /// <summary>How many of a step's prompts: whole numbers whose sum over the steps follows the share.</summary>
    internal static int Prompts(double share, int step, int prompts)
    {
        long Until(long steps) => (long)Math.Floor((share * prompts * steps) + 1e-9);
        return (int)(Until(step) - Until(step - 1));
    }

    internal int Prompts(int step) => Prompts(settings.Share, step, run.Settings.Rl.PromptsPerStep);

    /// <param name="k">Number of the prompt in its step.</param>
    /// <param name="system">The run's system prompt for the tier.</param>
    internal Question Ask(int step, int k, int sample, Tier tier, string system)
    {
        var (scenario, item) = _items[_order.At(((long)(step - 1) * run.Settings.Rl.PromptsPerStep) + k)];
        var query = scenario.Ask(item, Scenario.Control) with { Split = Split.Train };
        return new(query, tier, scenario.SystemPrompt(item, Scenario.Control, system), k, sample) { OffObjective = scenario };
    }

    /// <summary>Parts of the reward of a response off the objective, and their weighted total.</summary>
    internal IReadOnlyDictionary<string, double> Score(Exchange exchange)
    {
        var label = exchange.Question.OffObjective!.Detector.Label(exchange.Response);
        var done = label is { IsUnreadable: false, IsAttempt: false } && !exchange.Response.IsBroken ? 1.0 : 0;
        var broken = Format.Score(exchange.RewardInput);
        return new Dictionary<string, double>(StringComparer.Ordinal)
        {
            [Part] = done,
            [Format.Name] = broken,
            [RewardFunction.Total] = (settings.Weight * done) + (run.Settings.Reward.Weights.FormatPenalty * broken),
        };
    }
}
