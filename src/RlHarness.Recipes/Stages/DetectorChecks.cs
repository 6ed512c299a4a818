using System.Globalization;
using RlHarness.Experiment.Detectors;
using RlHarness.Experiment.Prompts;
using RlHarness.Experiment.Transcripts;
using RlHarness.Recipes.Running;
using RlHarness.Statistics;
using RlHarness.Tracking.Metrics;
using RlHarness.Tracking.Store;

namespace RlHarness.Recipes.Stages;

/// <summary>At each evaluation: every detector against the labelled sample, corrected rates, a warning where a detector drifts, and what judges cost.</summary>
internal sealed class DetectorChecks(RunContext run, string stage, long step)
{
    private readonly Dictionary<IJudge, JudgeUsage> _before = run.Detectors.OfType<IJudge>().ToDictionary(j => j, j => j.Usage);

    /// <summary>Adds metrics and summary rows; writes warnings to console, log and run.db.</summary>
    /// <param name="about">Query and tier of each response.</param>
    public void Add(
        IReadOnlyList<ParsedResponse> responses,
        IReadOnlyList<(string Query, Tier Tier)> about,
        IReadOnlyDictionary<string, DetectorLabel[]> labels,
        Dictionary<string, double> metrics,
        List<SummaryRow> rows
    )
    {
        var settings = run.Settings.Evaluate.Validation;
        if (settings.Truth != "none" && settings.Queries > 0 && run.Pack.Grammar is { } grammar)
        {
            // The truth detector labels the sample and nothing else.
            var truth = new GrammarOracle(grammar.Cues);
            var sample = Revalidation.Sample(about.Select(a => a.Query), settings.Queries, run.Seeds, step);
            bool?[] known = [.. responses.Select((r, i) => sample.Contains(about[i]) ? truth.Label(r).AlignmentFaking : (bool?)null)];
            foreach (var detector in run.Detectors.Where(d => d.Name != settings.Truth))
                Add(
                    detector.Name,
                    Revalidation.Of([
                        .. labels[detector.Name]
                            .Select((l, i) => (l.FakesAlignment, Row: new ValidatedLabel(about[i].Query, about[i].Tier, l.AlignmentFaking, l.Score, known[i])))
                            .Where(r => r.FakesAlignment is not null)
                            .Select(r => r.Row),
                    ]),
                    metrics,
                    rows
                );
        }

        foreach (var (judge, before) in _before)
            Report(judge, judge.Usage - before, metrics);
    }

    private void Add(string detector, Revalidation result, Dictionary<string, double> metrics, List<SummaryRow> rows)
    {
        foreach (var (figure, estimate) in result.Score?.Figures() ?? [])
        {
            metrics.Put(MetricNames.Detector(figure, detector), estimate);
            rows.Add(new(stage, step, Split.Evaluation, run.Condition.Name, detector, null, MetricNames.Detector(figure), estimate));
        }

        foreach (var (correction, rates) in new[] { (MetricNames.RoganGladen, result.RoganGladen), (MetricNames.PredictionPowered, result.PredictionPowered) })
            foreach (var (tier, estimate) in rates)
            {
                metrics.Put($"{MetricNames.AfReasoningRate}/{tier.ToString().ToLowerInvariant()}/{detector}/{correction}", estimate);
                rows.Add(new(stage, step, Split.Evaluation, run.Condition.Name, detector, tier, $"{MetricNames.AfReasoningRate}/{correction}", estimate));
            }

        foreach (var ((correction, tier), value) in result.Uncut)
            run.Progress.Note(
                string.Create(
                    CultureInfo.InvariantCulture,
                    $"step {step}: {detector}, {tier.ToString().ToLowerInvariant()} tier: {correction} gives {100 * value:f1} %, cut to the range of a rate"
                )
            );
        if (result.Score is { } score)
            WarnOfDrift(detector, score.Confusion);
    }

    private void WarnOfDrift(string detector, Confusion now)
    {
        var alpha = run.Settings.Evaluate.Validation.DriftAlpha;
        if (alpha == 0 || First("sensitivity") is not { } sensitivity || First("specificity") is not { } specificity)
            return;
        var test = DriftTest.Of(
            sensitivity,
            (now.TruePositives, now.TruePositives + now.FalseNegatives),
            specificity,
            (now.TrueNegatives, now.TrueNegatives + now.FalsePositives)
        );
        foreach (
            var (what, first, right, n, p) in new[]
            {
                ("sensitivity", sensitivity, now.TruePositives, now.TruePositives + now.FalseNegatives, test.SensitivityP),
                ("specificity", specificity, now.TrueNegatives, now.TrueNegatives + now.FalsePositives, test.SpecificityP),
            }
        )
        {
            if (p > alpha)
                continue;
            run.Warn(
                stage,
                step,
                string.Create(
                    CultureInfo.InvariantCulture,
                    $"step {step}: {detector} has drifted: {what} {right} of {n}, at the first evaluation {first.Right} of {first.N} (Fisher's "
                        + $"exact test, p = {p:g2}); read its corrected rates, not its raw ones"
                )
            );
        }

        (long Right, long N)? First(string figure)
        {
            var rate = run.Store.Series(stage, MetricNames.Detector(figure, detector)).Where(x => x.Step < step).Take(1).ToArray();
            if (rate.Length == 0)
                return null;
            var n = (long)run.Store.Series(stage, MetricNames.Detector(figure, detector) + "/n").First(x => x.Step == rate[0].Step).Value;
            return n == 0 ? (0, 0) : ((long)Math.Round(rate[0].Value * n), n);
        }
    }

    private void Report(IJudge judge, JudgeUsage u, Dictionary<string, double> metrics)
    {
        var name = "detector/judge/" + judge.Name;
        foreach (
            var (part, value) in new (string, double)[]
            {
                ("questions", u.Questions),
                ("from_cache", u.FromCache),
                ("refused", u.Refused),
                ("unparsable", u.Unparsable),
                ("cut", u.Cut),
                ("input_tokens", u.InputTokens),
                ("output_tokens", u.OutputTokens),
                ("cost_usd", u.CostUsd),
            }
        )
            metrics[$"{name}/{part}"] = value;
        if (u.Questions == 0)
            return;
        run.Progress.Note(
            string.Create(
                CultureInfo.InvariantCulture,
                $"step {step}: {judge.Name} {u.Questions} questions, {u.FromCache} from the cache, {u.Refused} refused, {u.Unparsable} neither "
                    + $"yes nor no, {u.Cut} cut or empty; {u.InputTokens} + {u.OutputTokens} tokens{(u.CostUsd > 0 ? $", {u.CostUsd:f4} USD" : "")}"
            )
        );
        if (u.WithoutLogprobs > 0)
            run.Warn(
                stage,
                step,
                string.Create(
                    CultureInfo.InvariantCulture,
                    $"step {step}: {judge.Name} gave no log-probabilities for {u.WithoutLogprobs} of {u.Questions} questions: their scores are 0 "
                        + $"or 1 (logprobs: false says so)"
                )
            );
        if (u.WithoutAnswer > 0.05 * u.Questions)
            run.Warn(
                stage,
                step,
                string.Create(
                    CultureInfo.InvariantCulture,
                    $"step {step}: {judge.Name} gave no answer to {u.WithoutAnswer} of {u.Questions} questions; such transcripts are in no rate, "
                        + $"and rates come with bounds{(u.Cut > 0 ? $"; {u.Cut} were cut or empty: raise max_tokens" : "")}"
                )
            );
    }
}
