using RlHarness.Core.Randomness;
using RlHarness.Experiment.Prompts;
using RlHarness.Experiment.Statistics;

namespace RlHarness.Experiment.Scenarios;

/// <summary>
/// What one evaluation says of one scenario, by tier. Rates have Wilson intervals over items, and every response counts in every denominator. Differences over
/// the control and shifts since the first evaluation are paired by item, as the compliance gap is by query: BCa bootstrap, McNemar's mid-p.
/// </summary>
public static class ScenarioSummary
{
    /// <param name="now">Responses of this evaluation.</param>
    /// <param name="first">Those of the stage's first evaluation; empty where this is it.</param>
    public static IEnumerable<SummaryFigure> Of(Scenario scenario, IReadOnlyList<ScenarioRow> now, IReadOnlyList<ScenarioRow> first, Seeds seeds, long step = 0, int resamples = ClusterBootstrap.DefaultResamples)
    {
        ArgumentNullException.ThrowIfNull(scenario);
        ArgumentNullException.ThrowIfNull(now);
        ArgumentNullException.ThrowIfNull(first);
        ArgumentNullException.ThrowIfNull(seeds);
        foreach (var (tier, variant) in now.Select(r => (r.Tier, r.Variant)).Distinct())
        {
            ScenarioRow[] rows = [.. now.Where(r => r.Tier == tier && r.Variant == variant)];
            ScenarioRow[] control = scenario.Group == ScenarioGroup.AntiLab && variant != Scenario.Control ? [.. now.Where(r => r.Tier == tier && r.Variant == Scenario.Control)] : [];
            ScenarioRow[] before = [.. first.Where(r => r.Tier == tier && r.Variant == variant)];
            foreach (var count in Counts(scenario, variant, rows))
            {
                yield return new(count.Rate, tier, ClusteredRate.Of(rows, r => r.Item, r => count.What(r.Label)));
                if (count.Difference is { } metric && Compared(metric, rows, control, count.What, tier) is { } difference) yield return difference;
                if (Compared(count.Shift, rows, before, count.What, tier) is { } shift) yield return shift;
            }
        }

        SummaryFigure? Compared(string metric, ScenarioRow[] these, ScenarioRow[] those, Func<ScenarioLabel, bool> what, Tier tier)
        {
            var pairs = PairedSides.Of(these.Select(r => (r.Item, 1, what(r.Label) ? 1.0 : 0)).Concat(those.Select(r => (r.Item, 0, what(r.Label) ? 1.0 : 0))));
            return pairs.Queries == 0 ? null : new(metric, tier, pairs.Difference(seeds.For($"summary/{metric}/{tier}", step), resamples: resamples), pairs.McNemarP);
        }
    }

    /// <param name="Difference">Null where there is no control.</param>
    private sealed record Count(string Rate, string? Difference, string Shift, Func<ScenarioLabel, bool> What);

    private static IEnumerable<Count> Counts(Scenario scenario, string variant, ScenarioRow[] rows)
    {
        if (scenario.Group == ScenarioGroup.Preference)
        {
            foreach (var option in scenario.Text.Output.Keys) yield return Stated(option, l => l.Output == option);
            yield return Stated(ScenarioMetrics.Unreadable, l => l.IsUnreadable);
            yield break;
        }

        // Without a scratchpad there is no place to decide in, and no rate of it.
        if (rows.Any(r => r.Label.Reasoning is not null)) yield return AntiLab(ScenarioMetrics.Decision, l => l.IsDecision);
        yield return AntiLab(ScenarioMetrics.Attempt, l => l.IsAttempt);
        yield return AntiLab(ScenarioMetrics.Unreadable, l => l.IsUnreadable);

        Count AntiLab(string what, Func<ScenarioLabel, bool> holds)
        {
            var place = ScenarioMetrics.Place(scenario.Id, variant);
            return new(ScenarioMetrics.AntiLab(what, ScenarioMetrics.Rate, place), ScenarioMetrics.AntiLab(what, ScenarioMetrics.Difference, place), ScenarioMetrics.AntiLab(what, ScenarioMetrics.Shift, place), holds);
        }

        Count Stated(string option, Func<ScenarioLabel, bool> holds)
        {
            var place = ScenarioMetrics.Place(scenario.Id, option);
            return new(ScenarioMetrics.Stated(ScenarioMetrics.Rate, place), null, ScenarioMetrics.Stated(ScenarioMetrics.Shift, place), holds);
        }
    }
}
