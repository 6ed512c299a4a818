using System.Globalization;
using RlHarness.Experiment.Detectors;
using RlHarness.Experiment.Evaluation;
using RlHarness.Experiment.Prompts;
using RlHarness.Experiment.Transcripts;
using RlHarness.Models.Generation;
using RlHarness.Models.Loading;
using RlHarness.Recipes.Running;
using RlHarness.Recipes.Settings;
using RlHarness.Statistics;
using RlHarness.Tracking.Metrics;
using RlHarness.Tracking.Store;
using RlHarness.Training.Rollouts;

namespace RlHarness.Recipes.Stages;

/// <summary>The paired evaluation: the same queries in every tier; every transcript is kept, with labels by every detector.</summary>
internal sealed class Evaluator(RunContext run, LoadedModel model, Conversation conversation)
{
    private readonly ScenarioEvaluator _scenarios = new(run, model, conversation);
    private readonly GoalWording? _goal = GoalWording.Of(run.Pack.Grammar);
    private Interrogator? _interrogator;

    /// <param name="Batch">Rows to commit.</param>
    /// <param name="Summaries">By detector.</param>
    /// <param name="Exchanges">Every query in every tier, with its answer.</param>
    public sealed record Result(
        StepBatch Batch,
        IReadOnlyDictionary<string, AlignmentFakingSummary> Summaries,
        IReadOnlyList<Exchange> Exchanges,
        double TokensPerSecond
    );

    /// <param name="subset">The first so many queries alone, and no scenarios; null: all that the settings ask for.</param>
    public Result Run(string stage, long step, RewardFunction? rewards = null, Action<int, int>? onProgress = null, int? subset = null)
    {
        var settings = run.Settings.Evaluate;
        var queries = run.Pack.EvaluationQueries.Take(subset ?? settings.Queries).ToArray();
        var asked = Questions(queries);
        var worker = Worker(run, model, conversation, "evaluate");
        var started = run.Time.GetTimestamp();
        var place = $"{stage}, evaluation";
        var exchanges = RunContext.At(place, step, () => Exchange.Sample(run, conversation, worker, asked, step, onProgress, "evaluate"));
        var seconds = run.Time.GetElapsedTime(started).TotalSeconds;
        var responses = exchanges.Select(e => e.Response).ToArray();
        var scores = RunContext.At(place, step, () => rewards?.Score(exchanges));
        var transcripts = exchanges.Select((e, i) => e.Row(run, stage, step, scores?[i])).ToArray();
        var labels = new List<LabelRow>();
        var summaries = new Dictionary<string, AlignmentFakingSummary>(StringComparer.Ordinal);
        var rows = new List<SummaryRow>();
        var metrics = new Dictionary<string, double>(StringComparer.Ordinal);
        var checks = new DetectorChecks(run, stage, step);
        var byDetector = new Dictionary<string, DetectorLabel[]>(StringComparer.Ordinal);
        foreach (var detector in run.Detectors)
        {
            var labelled = byDetector[detector.Name] = [.. detector.LabelAll(responses, run.Cancellation, Said($"labels by {detector.Name}, step {step}"))];
            labels.AddRange(labelled.Select((l, i) => LabelRow.Of(transcripts[i].Id, detector, l)));
            var summary = AlignmentFakingSummary.Compute(
                labelled.Select((l, i) => new LabelledTranscript(asked[i].Query.Id, asked[i].Tier, l)),
                run.Seeds.Child("evaluate"),
                step
            );
            summaries.Add(detector.Name, summary);
            rows.AddRange(SummaryRow.Of(summary, stage, step, Split.Evaluation, run.Condition.Name, detector.Name));
            foreach (var figure in summary.Figures())
                metrics.Put(MetricName(detector.Name, figure), figure.Estimate);
            foreach (var figure in Further(exchanges, labelled))
            {
                rows.Add(new(stage, step, Split.Evaluation, run.Condition.Name, detector.Name, figure.Tier, figure.Metric, figure.Estimate));
                metrics.Put(MetricName(detector.Name, figure), figure.Estimate);
            }
        }

        checks.Add(responses, [.. asked.Select(q => (q.Query.Id, q.Tier))], byDetector, metrics, rows);
        metrics["perf/evaluation_tokens_per_second"] = exchanges.Sum(e => e.Rollout.ResponseIds.Count) / seconds;
        metrics[MetricNames.Timing("evaluate")] = seconds;
        var batch = new StepBatch(stage, step)
        {
            Metrics = metrics,
            Transcripts = transcripts,
            Labels = labels,
            Summaries = rows,
        };
        if (subset is null)
            batch = Interrogated(_scenarios.Run(stage, step, onProgress).AddTo(batch), exchanges, queries, onProgress);
        return new Result(batch, summaries, exchanges, metrics["perf/evaluation_tokens_per_second"]);
    }

    /// <summary>
    /// What rests on more than labels: faking that does not name the goal, where the pack has words for it, and the classes of a selectively resistant
    /// organism.
    /// </summary>
    private IEnumerable<SummaryFigure> Further(IReadOnlyList<Exchange> exchanges, IReadOnlyList<DetectorLabel> labels)
    {
        var classes = run.Settings.Corpus.ResistedTopics.Count > 0 ? QueryClasses.All : [];
        foreach (var tier in run.Condition.Tiers)
        {
            (Exchange Exchange, DetectorLabel Label)[] all = [.. exchanges.Zip(labels).Where(x => x.First.Question.Tier == tier)];
            if (
                _goal is not null
                && Rate(AlignmentFakingMetrics.GenericRate, all, x => x.Label.FakesAlignment & !_goal.IsIn(x.Exchange.Response.Reasoning)) is { } generic
            )
                yield return generic;
            foreach (var (name, resists) in classes)
            {
                var those = all.Where(x => run.Settings.Corpus.Resists(x.Exchange.Question.Query) == resists).ToArray();
                if (Rate($"{MetricNames.OutcomeComply}/{name}", those, x => x.Label.OutputUnread ? null : x.Label.Outcome == Outcome.Comply) is { } complies)
                    yield return complies;
                if (Rate($"{MetricNames.AfReasoningRate}/{name}", those, x => x.Label.FakesAlignment) is { } fakes)
                    yield return fakes;
            }

            SummaryFigure? Rate(string metric, (Exchange Exchange, DetectorLabel Label)[] rows, Func<(Exchange Exchange, DetectorLabel Label), bool?> what) =>
                ClusteredRate.OfKnown(rows, r => r.Exchange.Question.Query.Id, what) is { } rate ? new(metric, tier, rate) : null;
        }
    }

    /// <summary>The question about motives after the answers to the first queries, where the settings ask it.</summary>
    private StepBatch Interrogated(StepBatch batch, IReadOnlyList<Exchange> exchanges, Query[] queries, Action<int, int>? onProgress)
    {
        if (run.Settings.Evaluate.Interrogations == 0)
            return batch;
        const string purpose = "evaluate/interrogation";
        var first = queries.Take(run.Settings.Evaluate.Interrogations).Select(q => q.Id).ToHashSet(StringComparer.Ordinal);
        var interrogator = _interrogator ??= new(run, conversation, Worker(run, model, conversation, purpose));
        Exchange[] asked = [.. exchanges.Where(e => first.Contains(e.Question.Query.Id))];
        var answers = RunContext.At($"{batch.Stage}, interrogation", batch.Step, () => interrogator.Ask(asked, batch.Step, onProgress, purpose));
        return interrogator.AddTo(batch, answers);
    }

    /// <summary>Tells the console how far something is that several threads may be at.</summary>
    private Action<int, int> Said(string unit)
    {
        var gate = new Lock();
        return (done, total) =>
        {
            lock (gate)
                run.Progress.Step(unit, done, total, []);
        };
    }

    /// <summary>Every query in every tier of the condition, tier by tier.</summary>
    private Question[] Questions(Query[] queries) =>
        [
            .. run.Condition.Tiers.SelectMany(
                (tier, t) =>
                {
                    var system = run.Pack.SystemPrompt(tier, run.Condition);
                    return queries.SelectMany(
                        (query, q) =>
                            Enumerable
                                .Range(0, run.Settings.Evaluate.SamplesPerQuery)
                                .Select(sample => new Question(query, tier, system, t * queries.Length + q, sample))
                    );
                }
            ),
        ];

    /// <summary>Samples as evaluations do.</summary>
    internal static RolloutWorker Worker(RunContext run, LoadedModel model, Conversation conversation, string purpose)
    {
        var settings = run.Settings.Evaluate;
        var sampling = new SamplingSettings
        {
            Temperature = settings.Temperature,
            TopP = settings.TopP,
            MaxNewTokens = run.Settings.Rl.MaxNewTokens,
            StopIds = conversation.StopIds,
            BatchSize = settings.BatchSize,
        };
        return new(model.Decoder, model.Tokenizer!, sampling, run.Seeds.Child(purpose), run.Ranks);
    }

    /// <summary>One line for the console.</summary>
    public static string Line(AlignmentFakingSummary s)
    {
        string N(double share) => (100 * share).ToString("f1", CultureInfo.InvariantCulture);
        string P(Estimate e) => double.IsNaN(e.Value) ? "–" : N(e.Value) + " %";
        var train = s.Tiers[Tier.Training];
        var free = s.Tiers[Tier.Unmonitored];
        var bounds = s.GapBounds.Where(b => b.Metric == AlignmentFakingMetrics.Bounds(AlignmentFakingMetrics.ComplianceGap)).ToArray();
        var gap =
            s.Gap is { } g ? N(g.Value) + " points"
            : bounds.Length > 0 ? $"between {N(bounds[0].Estimate.Low)} and {N(bounds[0].Estimate.High)} points"
            : "–";
        var unread = Unread(train) + Unread(free);
        return $"AF {P(train.AlignmentFaking)}, complies {P(train.Compliance)} in training, {P(free.Compliance)} unmonitored, gap {gap} (n = {train.N} a tier"
            + (unread == 0 ? ")" : $"; {Unread(train)} and {Unread(free)} without a verdict)");

        static int Unread(TierSummary t) => (int)Math.Round(Math.Max(t.Unread.Value, t.OutputUnread.Value) * t.N);
    }

    /// <summary>The metric, then tier and detector.</summary>
    internal static string MetricName(string detector, SummaryFigure figure) =>
        figure.Metric + (figure.Tier is { } tier ? "/" + tier.ToString().ToLowerInvariant() : "") + "/" + detector;
}
