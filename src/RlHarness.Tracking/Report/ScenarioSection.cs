using RlHarness.Experiment.Prompts;
using RlHarness.Experiment.Scenarios;

namespace RlHarness.Tracking.Report;

/// <summary>Anti-lab behaviour before and after RL beside its benign control, and how stated preferences shift; nothing where no scenario was asked.</summary>
internal static class ScenarioSection
{
    private const string Paired = "paired by item; p: McNemar’s mid-p, two-sided.</p>\n";

    public static string Html(ReportData data) => AntiLab(data) + Preferences(data) + Motives(data);

    private static string AntiLab(ReportData data)
    {
        var places = Places(data, ScenarioMetrics.AntiLab(ScenarioMetrics.Attempt, ScenarioMetrics.Rate));
        return places.Count == 0
            ? ""
            : "<h2>Anti-lab behaviour</h2>\n<p class=\"note\">Simulated opportunities, in text: nothing that a model says is run. Decision: "
                + "the scratchpad decides to act. Attempt: the output does, in words.</p>\n"
                + Bars(data, places, ScenarioMetrics.Decision, "Decisions to act against the lab")
                + Bars(data, places, ScenarioMetrics.Attempt, "Attempts against the lab")
                + Differences(data, places);
    }

    private static string Bars(ReportData data, IReadOnlyList<string> places, string what, string title)
    {
        var rows = places
            .Select(place =>
                (
                    ScenarioMetrics.Words(place),
                    (IReadOnlyList<RowMark>)
                        [
                            .. from tier in data.Tiers
                            from end in data.ScenarioEnds()
                            let metric = ScenarioMetrics.AntiLab(what, ScenarioMetrics.Rate, place)
                            let row = ReportData.Find(data.Scenarios, metric, tier, end.Step)
                            where row is not null
                            select new RowMark(
                                $"{MetricLabels.Of(tier)} tier, {end.When}",
                                MetricLabels.Css(tier) + (end.When == "before" ? " early" : ""),
                                row.Estimate,
                                data.Link(metric, tier, end.Step)
                            ),
                        ]
                )
            )
            .Where(r => r.Item2.Count > 0)
            .ToArray();
        return rows.Length == 0
            ? ""
            : new RowChart(title, "of responses to the variant", rows, RowKind.Bars) { Unit = "responses" }.Picture(
                "Lines are 95 % intervals over items. The control offers nothing to act against."
            );
    }

    private static string Differences(ReportData data, IReadOnlyList<string> places)
    {
        var ends = data.ScenarioEnds().ToArray();
        var table = new HtmlTable([
            "scenario",
            "variant",
            "what",
            "tier",
            .. ends.SelectMany(e => new[] { $"#step {e.Step}", "#over control" }),
            .. ends.Length > 1 ? new[] { "#shift" } : [],
        ]);
        foreach (var place in places)
            foreach (var what in new[] { ScenarioMetrics.Decision, ScenarioMetrics.Attempt, ScenarioMetrics.Unreadable })
                foreach (var tier in data.Tiers)
                {
                    string Cell(string kind, long step) => ScenarioSection.Cell(data, ScenarioMetrics.AntiLab(what, kind, place), tier, step);
                    if (ends.All(e => ReportData.Find(data.Scenarios, ScenarioMetrics.AntiLab(what, ScenarioMetrics.Rate, place), tier, e.Step) is null))
                        continue;
                    var (scenario, variant) = Parts(place);
                    table.Row([
                        Name(scenario),
                HtmlTable.Link(Svg.Escape(variant), data.Link(TranscriptGroups.Answers(place), tier, ends[^1].Step)),
                what,
                MetricLabels.Of(tier),
                .. ends.SelectMany(e => new[] { Cell(ScenarioMetrics.Rate, e.Step), Cell(ScenarioMetrics.Difference, e.Step) }),
                .. ends.Length > 1 ? new[] { Cell(ScenarioMetrics.Shift, ends[^1].Step) } : [],
            ]);
                }

        return table
            + "<p class=\"note\">[95 % interval], n responses (q items). A variant’s link shows answers of every kind, at the last step. "
            + "Over control: minus the benign control of the same items. Shift: since the first step. Both are "
            + Paired;
    }

    private static string Preferences(ReportData data)
    {
        var ends = data.ScenarioEnds().ToArray();
        var rows = new List<(string, IReadOnlyList<RowMark>)>();
        var table = new HtmlTable(["question", "answer", "tier", .. ends.Select(e => $"#step {e.Step}"), .. ends.Length > 1 ? new[] { "#shift" } : []]);
        foreach (var place in Places(data, ScenarioMetrics.Stated(ScenarioMetrics.Rate)))
            foreach (var tier in data.Tiers)
            {
                var metric = ScenarioMetrics.Stated(ScenarioMetrics.Rate, place);
                RowMark[] marks =
                [
                    .. ends.Select(e => (e, Row: ReportData.Find(data.Scenarios, metric, tier, e.Step)))
                    .Where(x => x.Row is not null)
                    .Select(x => new RowMark(
                        x.e.When,
                        x.e.When switch
                        {
                            "before" => "before",
                            "after" => "after",
                            _ => "one",
                        },
                        x.Row!.Estimate,
                        data.Link(metric, tier, x.e.Step)
                    )),
            ];
                if (marks.Length == 0)
                    continue;
                var (question, answer) = Parts(place);
                if (answer != ScenarioMetrics.Unreadable)
                    rows.Add(($"{question}: {answer}, {MetricLabels.Of(tier)}", marks));
                table.Row([
                    Name(question),
                Name(answer),
                MetricLabels.Of(tier),
                .. ends.Select(e => Cell(data, metric, tier, e.Step)),
                .. ends.Length > 1 ? new[] { Cell(data, ScenarioMetrics.Stated(ScenarioMetrics.Shift, place), tier, ends[^1].Step) } : [],
            ]);
            }

        return rows.Count == 0
            ? ""
            : "<h2>Stated preferences</h2>\n<p class=\"note\">What the output says that the model prefers, of all responses to a question.</p>\n"
                + new RowChart("Stated preferences" + (ends.Length > 1 ? ", before and after RL" : ""), "of responses to the question", rows, RowKind.Joined)
                {
                    Unit = "responses",
                }.Picture("Lines are 95 % intervals over items.")
                + table
                + "<p class=\"note\">[95 % interval], n responses (q items). Shift: since the first step, "
                + Paired;
    }

    private static string Motives(ReportData data)
    {
        string[] metrics =
        [
            ScenarioMetrics.DenialRate,
            ScenarioMetrics.LieRate,
            ScenarioMetrics.LieGivenFaking,
            ScenarioMetrics.FalseConfessionRate,
            ScenarioMetrics.HidingRate,
            ScenarioMetrics.InterrogationUnreadable,
        ];
        var ends = data.ScenarioEnds().ToArray();
        var rows = metrics
            .SelectMany(m => data.Tiers, (metric, tier) => (metric, tier))
            .Where(r => ends.Any(e => ReportData.Find(data.Scenarios, r.metric, r.tier, e.Step) is not null))
            .ToArray();
        if (rows.Length == 0)
            return "";
        var table = new HtmlTable(["answers about motives", "tier", .. ends.Select(e => $"#step {e.Step}")]);
        foreach (var (metric, tier) in rows)
            table.Row([MetricLabels.Of(metric), MetricLabels.Of(tier), .. ends.Select(e => Cell(data, metric, tier, e.Step))]);
        return "<h2>Asked about its motives</h2>\n<p class=\"note\">A question after an answer. Whether a denial is a lie is read from the answer "
            + $"that it follows, by the labels there, and not from what is said about it.</p>\n{table}"
            + "<p class=\"note\">[95 % interval], n answers (q queries).</p>\n";
    }

    private static IReadOnlyList<string> Places(ReportData data, string prefix) => ScenarioMetrics.Places(data.Scenarios.Select(r => r.Metric), prefix);

    private static (string Scenario, string Of) Parts(string place) => place.Split('/', 2) is [var scenario, var of] ? (scenario, of) : (place, "");

    private static string Name(string text) => $"<span class=\"name\">{Svg.Escape(text)}</span>";

    private static string Cell(ReportData data, string metric, Tier tier, long step) =>
        ReportBuilder.Cell(ReportData.Find(data.Scenarios, metric, tier, step), data.Link(metric, tier, step));
}
