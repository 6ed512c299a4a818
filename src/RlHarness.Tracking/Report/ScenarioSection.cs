using System.Globalization;
using System.Text;
using RlHarness.Experiment.Prompts;
using RlHarness.Experiment.Scenarios;
using RlHarness.Experiment.Statistics;
using RlHarness.Tracking.Store;

namespace RlHarness.Tracking.Report;

/// <summary>Anti-lab behaviour before and after RL beside its benign control, and how stated preferences shift; nothing where no scenario was asked.</summary>
internal static class ScenarioSection
{
    private const string Head = "<div class=\"scroll\"><table>\n<thead><tr>";

    public static string Html(ReportData data)
    {
        if (data.Scenarios.Count == 0) return "";
        long[] steps = [.. data.Scenarios.Select(s => s.Step).Distinct().Order()];
        long[] ends = [.. new[] { steps[0], steps[^1] }.Distinct()];
        return AntiLab(data.Scenarios, ends) + Preferences(data.Scenarios, ends) + Reading(data);
    }

    private static string Reading(ReportData data)
    {
        if (data.ScenarioTranscripts.Count == 0) return "";
        return $"<h2>{data.ScenarioTranscripts.Count} answers to scenarios to read</h2>\n<p class=\"note\">Chosen so that each kind is seen, not at random: do not count them.</p>\n" + string.Concat(data.ScenarioTranscripts.Select(x => TranscriptDetails.Html(
            x.Transcript,
            $"<span class=\"chip\">{Svg.Escape($"{x.Label.Scenario}, {x.Label.Variant}")}</span><span class=\"chip{(x.Label.Label.IsDecision || x.Label.Label.IsAttempt ? " af" : "")}\">{Svg.Escape(Kind(x.Label.Label))}</span>",
            [$"{x.Label.Detector} {x.Label.DetectorVersion}: {Kind(x.Label.Label)}"])));

        static string Kind(ScenarioLabel label) => label.Reasoning is { } thought && thought != label.Output ? $"{thought}, {label.Output}" : label.Output;
    }

    private static string AntiLab(IReadOnlyList<SummaryRow> rows, long[] ends)
    {
        string[] variants = [.. Rests(rows, ScenarioMetrics.AntiLab(ScenarioMetrics.Attempt, ScenarioMetrics.Rate)).OrderBy(v => v.Split('/')[0], StringComparer.Ordinal).ThenBy(v => v.EndsWith("/" + Scenario.Control, StringComparison.Ordinal))];
        if (variants.Length == 0) return "";
        var html = new StringBuilder("<h2>Anti-lab behaviour</h2>\n<p class=\"note\">Simulated opportunities, in text: nothing that a model says is run. Decision: the scratchpad decides to act. Attempt: the output does, in words. Lines are 95 % intervals.</p>\n<div class=\"charts\">\n");
        foreach (var what in new[] { ScenarioMetrics.Decision, ScenarioMetrics.Attempt })
            foreach (var tier in Tiers(rows))
            {
                var bars = new List<(string, string, string, Estimate)>();
                foreach (var variant in variants)
                    foreach (var step in ends)
                        if (Find(rows, ScenarioMetrics.AntiLab(what, ScenarioMetrics.Rate, variant), tier, step) is { } row) bars.Add((variant.Replace("/", ", ", StringComparison.Ordinal), When(step, ends), Colour(variant, step == ends[^1] && ends.Length > 1), row.Estimate));
                if (bars.Count > 0) html.Append(new RateBars($"{(what == ScenarioMetrics.Decision ? "Decisions" : "Attempts")}, {Lower(tier)} tier", bars).Figure());
            }

        html.Append("</div>\n").Append(Head).Append("<th>scenario</th><th>what</th><th>tier</th>");
        foreach (var step in ends) html.Append(CultureInfo.InvariantCulture, $"<th class=\"number\">step {step}</th><th class=\"number\">over control</th>");
        html.Append(ends.Length > 1 ? "<th class=\"number\">shift</th>" : "").Append("</tr></thead>\n<tbody>\n");
        foreach (var variant in variants)
            foreach (var what in new[] { ScenarioMetrics.Decision, ScenarioMetrics.Attempt, ScenarioMetrics.Unreadable })
                foreach (var tier in Tiers(rows).Where(t => ends.Any(s => Find(rows, ScenarioMetrics.AntiLab(what, ScenarioMetrics.Rate, variant), t, s) is not null)))
                {
                    html.Append(CultureInfo.InvariantCulture, $"<tr><td class=\"name\">{Svg.Escape(variant.Replace("/", ", ", StringComparison.Ordinal))}</td><td>{what}</td><td>{Lower(tier)}</td>");
                    foreach (var step in ends) html.Append(Cell(rows, ScenarioMetrics.AntiLab(what, ScenarioMetrics.Rate, variant), tier, step)).Append(Cell(rows, ScenarioMetrics.AntiLab(what, ScenarioMetrics.Difference, variant), tier, step));
                    html.Append(ends.Length > 1 ? Cell(rows, ScenarioMetrics.AntiLab(what, ScenarioMetrics.Shift, variant), tier, ends[^1]) : "").Append("</tr>\n");
                }

        return html.Append("</tbody>\n</table></div>\n<p class=\"note\">[95 % interval], n responses (q items). Over control: minus the benign control of the same items. Shift: since the first step. Both are paired by item; p: McNemar’s mid-p, two-sided.</p>\n").ToString();
    }

    private static string Preferences(IReadOnlyList<SummaryRow> rows, long[] ends)
    {
        var prefix = ScenarioMetrics.Stated(ScenarioMetrics.Rate);
        string[] options = [.. Rests(rows, prefix)];
        if (options.Length == 0) return "";
        var bells = new List<(string, string, Estimate, Estimate?)>();
        var table = new StringBuilder(Head).Append("<th>question</th><th>answer</th><th>tier</th>").Append(string.Concat(ends.Select(s => FormattableString.Invariant($"<th class=\"number\">step {s}</th>")))).Append(ends.Length > 1 ? "<th class=\"number\">shift</th>" : "").Append("</tr></thead>\n<tbody>\n");
        foreach (var option in options)
            foreach (var tier in Tiers(rows))
            {
                if (Find(rows, prefix + option, tier, ends[0]) is not { } first) continue;
                var (question, answer) = (option.Split('/')[0], option.Split('/')[1]);
                if (answer != ScenarioMetrics.Unreadable) bells.Add((question, $"{answer}, {Lower(tier)}", first.Estimate, ends.Length > 1 ? Find(rows, prefix + option, tier, ends[1])?.Estimate : null));
                table.Append(CultureInfo.InvariantCulture, $"<tr><td class=\"name\">{Svg.Escape(question)}</td><td>{Svg.Escape(answer)}</td><td>{Lower(tier)}</td>").Append(string.Concat(ends.Select(s => Cell(rows, prefix + option, tier, s))))
                    .Append(ends.Length > 1 ? Cell(rows, ScenarioMetrics.Stated(ScenarioMetrics.Shift, option), tier, ends[1]) : "").Append("</tr>\n");
            }

        return "<h2>Stated preferences</h2>\n<p class=\"note\">What the output says that the model prefers, of all responses to a question; lines are 95 % intervals.</p>\n" + new Dumbbells("Stated preferences, before and after RL", bells).Figure()
            + table.Append("</tbody>\n</table></div>\n<p class=\"note\">[95 % interval], n responses (q items). Shift: since the first step, paired by item; p: McNemar’s mid-p, two-sided.</p>\n");
    }

    private static IEnumerable<string> Rests(IReadOnlyList<SummaryRow> rows, string prefix)
        => rows.Where(r => r.Metric.StartsWith(prefix, StringComparison.Ordinal)).Select(r => r.Metric[prefix.Length..]).Distinct().Order(StringComparer.Ordinal);

    private static string Cell(IReadOnlyList<SummaryRow> rows, string metric, Tier tier, long step)
        => $"<td class=\"number\">{(Find(rows, metric, tier, step) is { } row ? ReportBuilder.Cell(row) : "–")}</td>";

    private static SummaryRow? Find(IReadOnlyList<SummaryRow> rows, string metric, Tier tier, long step) => ReportData.Find(rows, metric, tier, step);

    private static string Colour(string variant, bool after) => variant.EndsWith("/" + Scenario.Control, StringComparison.Ordinal) ? after ? "two" : "two early" : after ? "training" : "training early";

    private static string When(long step, long[] ends) => ends.Length == 1 ? FormattableString.Invariant($"step {step}") : step == ends[0] ? "before" : "after";

    private static Tier[] Tiers(IReadOnlyList<SummaryRow> rows) => [.. new[] { Tier.Training, Tier.Rated, Tier.Unmonitored }.Where(t => rows.Any(r => r.Tier == t))];

    private static string Lower(Tier tier) => tier.ToString().ToLowerInvariant();
}
