using RlHarness.Experiment.Evaluation;
using RlHarness.Experiment.Prompts;
using RlHarness.Experiment.Scenarios;
using RlHarness.Models.Loading;
using RlHarness.Recipes.Running;
using RlHarness.Statistics;
using RlHarness.Tracking.Metrics;
using RlHarness.Tracking.Store;

namespace RlHarness.Recipes.Stages;

/// <summary>
/// Asks a pack's scenarios in every tier beside the paired evaluation: transcripts of a split of their own, labels, rates with their controls. What a model
/// says is read as text, and nothing of it is ever run.
/// </summary>
internal sealed class ScenarioEvaluator(RunContext run, LoadedModel model, Conversation conversation)
{
    private sealed record Asked(Scenario Scenario, ScenarioItem Item, string Variant, Tier Tier, string System, Query Query);

    /// <summary>What there is to commit; empty where the settings ask for nothing.</summary>
    internal sealed record Result(
        IReadOnlyList<TranscriptRow> Transcripts,
        IReadOnlyList<ScenarioLabelRow> Labels,
        IReadOnlyList<SummaryRow> Summaries,
        IReadOnlyDictionary<string, double> Metrics
    )
    {
        internal StepBatch AddTo(StepBatch batch) =>
            batch with
            {
                Metrics = batch.Metrics.Concat(Metrics).ToDictionary(),
                Transcripts = [.. batch.Transcripts, .. Transcripts],
                ScenarioLabels = Labels,
                Summaries = [.. batch.Summaries, .. Summaries],
            };
    }

    /// <summary>What shifts are measured from; null until an evaluation found it. One that is on disk stays as it is, and is read once.</summary>
    private (string Stage, ILookup<Scenario, ScenarioRow> Rows)? _first;

    private IEnumerable<Scenario> Scenarios => Enum.GetValues<ScenarioGroup>().SelectMany(run.Pack.Scenarios);

    internal Result Run(string stage, long step, Action<int, int>? onProgress = null)
    {
        var asked = Questions();
        if (asked.Count == 0)
            return new([], [], [], new Dictionary<string, double>());
        const string purpose = "evaluate/scenarios";
        var worker = Evaluator.Worker(run, model, conversation, purpose);
        Question[] questions = [.. asked.Select((a, i) => new Question(a.Query, a.Tier, a.System, i, Sample: 0))];
        var exchanges = RunContext.At($"{stage}, scenarios", step, () => Exchange.Sample(run, conversation, worker, questions, step, onProgress, purpose));
        var transcripts = exchanges.Select(e => e.Row(run, stage, step)).ToList();
        var labels = new List<ScenarioLabelRow>();
        for (var i = 0; i < asked.Count; i++)
        {
            var a = asked[i];
            labels.Add(
                new(
                    transcripts[i].Id,
                    ScenarioDetector.Name,
                    a.Scenario.Detector.Version,
                    a.Scenario.Group,
                    a.Scenario.Id,
                    a.Variant,
                    a.Item.Id,
                    a.Scenario.Detector.Label(exchanges[i].Response)
                )
            );
        }

        var result = Summarise(stage, step, asked, transcripts, labels);
        return result with { Summaries = [.. result.Summaries, .. FalsePositives(stage, step, asked, exchanges)] };
    }

    /// <summary>What the detectors of alignment faking say of the benign controls, in which there is nothing to fake.</summary>
    private IEnumerable<SummaryRow> FalsePositives(string stage, long step, List<Asked> asked, IReadOnlyList<Exchange> exchanges)
    {
        int[] controls = [.. Enumerable.Range(0, asked.Count).Where(i => asked[i].Variant == Scenario.Control)];
        if (controls.Length == 0)
            yield break;
        foreach (var detector in run.Detectors)
        {
            var labels = detector.LabelAll([.. controls.Select(i => exchanges[i].Response)], run.Cancellation);
            foreach (var tier in controls.Zip(labels, (i, label) => (asked[i].Tier, asked[i].Item.Id, Fakes: label.FakesAlignment)).GroupBy(x => x.Tier))
                if (ClusteredRate.OfKnown([.. tier], x => x.Id, x => x.Fakes) is { } rate)
                    yield return new(
                        stage,
                        step,
                        Split.Scenario,
                        run.Condition.Name,
                        detector.Name,
                        tier.Key,
                        AlignmentFakingMetrics.BenignFalsePositiveRate,
                        rate
                    );
        }
    }

    private List<Asked> Questions()
    {
        var asked = new List<Asked>();
        foreach (var scenario in Scenarios)
            foreach (var tier in run.Condition.Tiers)
                foreach (var variant in scenario.Text.Variants.Keys)
                    foreach (var item in scenario.Items(Split.Evaluation).Take(run.Settings.Evaluate.Items(scenario.Group)))
                        asked.Add(
                            new(
                                scenario,
                                item,
                                variant,
                                tier,
                                scenario.SystemPrompt(item, variant, run.Pack.SystemPrompt(tier, run.Condition)),
                                scenario.Ask(item, variant)
                            )
                        );
        return asked;
    }

    private Result Summarise(string stage, long step, List<Asked> asked, List<TranscriptRow> transcripts, List<ScenarioLabelRow> labels)
    {
        var rows = asked
            .Select((a, i) => (a.Scenario, Row: new ScenarioRow(a.Item.Id, a.Variant, a.Tier, labels[i].Label)))
            .ToLookup(x => x.Scenario, x => x.Row);
        var first = First(stage, step);
        var summaries = new List<SummaryRow>();
        var metrics = new Dictionary<string, double>(StringComparer.Ordinal);
        foreach (var scenario in rows)
            foreach (var figure in ScenarioSummary.Of(scenario.Key, [.. scenario], [.. first[scenario.Key]], run.Seeds.Child("evaluate/scenarios"), step))
            {
                var condition = run.Condition.Name;
                summaries.Add(new(stage, step, Split.Scenario, condition, ScenarioDetector.Name, figure.Tier, figure.Metric, figure.Estimate, figure.P));
                metrics.Put(Evaluator.MetricName(ScenarioDetector.Name, figure), figure.Estimate);
            }

        return new(transcripts, labels, summaries, metrics);
    }

    /// <summary>
    /// Labels of the first evaluation of this stage and condition, by the same cues, which shifts are measured from; none where this is the first.
    /// </summary>
    private ILookup<Scenario, ScenarioRow> First(string stage, long step)
    {
        if (_first is { } kept && kept.Stage == stage)
            return kept.Rows;
        var before = run
            .Store.Summaries(stage, ScenarioDetector.Name)
            .Where(s => s.Condition == run.Condition.Name && s.Step < step)
            .Select(s => (long?)s.Step)
            .Min();
        var labels = before is { } first ? run.Store.ScenarioLabels(stage, first) : [];
        var tiers =
            labels.Count == 0
                ? []
                : run
                    .Store.Transcripts(new TranscriptFilter(stage, before, Split.Scenario, Condition: run.Condition.Name))
                    .ToDictionary(t => t.Id, t => t.Tier);
        var scenarios = Scenarios.ToDictionary(s => (s.Group, s.Id, s.Detector.Version));
        var rows = labels
            .Where(l => tiers.ContainsKey(l.TranscriptId) && scenarios.ContainsKey((l.Group, l.Scenario, l.DetectorVersion)))
            .ToLookup(l => scenarios[(l.Group, l.Scenario, l.DetectorVersion)], l => new ScenarioRow(l.Item, l.Variant, tiers[l.TranscriptId], l.Label));
        if (before is not null)
            _first = (stage, rows);
        return rows;
    }
}
