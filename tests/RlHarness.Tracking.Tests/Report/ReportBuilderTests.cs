using System.Text.RegularExpressions;
using System.Xml.Linq;
using RlHarness.Core.Errors;
using RlHarness.Experiment.Prompts;
using RlHarness.Experiment.Scenarios;
using RlHarness.Statistics;
using RlHarness.Tracking.Report;
using RlHarness.Tracking.Store;

namespace RlHarness.Tracking.Tests.Report;

[Trait("kind", "contract")]
public sealed class ReportBuilderTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void A_report_holds_curves_table_and_transcripts_and_loads_nothing()
    {
        SyntheticRun.Write(_folder.Path, steps: 10, queries: 60);
        var html = File.ReadAllText(ReportBuilder.Write(_folder.Path));
        if (Environment.GetEnvironmentVariable("RLHARNESS_KEEP_REPORT") is { Length: > 0 } keep)
        {
            File.Copy(_folder.At("report.html"), Path.Combine(keep, "report.html"), overwrite: true);
            File.WriteAllText(Path.Combine(keep, "figure.svg"), ReportBuilder.FigureSvg(_folder.Path));
        }

        // Five over the steps, one of outcomes and two areas, two flows a tier, two of training and a ROC.
        Assert.Equal(15, Regex.Count(html, "<svg "));
        Assert.Contains("<td>alignment faking</td>", html, StringComparison.Ordinal);
        Assert.Contains("60 (60 q)", html, StringComparison.Ordinal);
        Assert.Contains("keyword", html, StringComparison.Ordinal);
        Assert.DoesNotContain("NaN", html, StringComparison.Ordinal);
        // The name of a format, not a request.
        Assert.Equal(["http://www.w3.org/2000/svg"], Regex.Matches(html, "src=|https?://[^\"]*").Select(m => m.Value).Distinct());
        Assert.All(Regex.Matches(html, "href=\"([^\"]*)\"").Select(m => m.Groups[1].Value).AtLeastOne(), link =>
            Assert.True(link.StartsWith('#') && html.Contains($"id=\"{link[1..]}\"", StringComparison.Ordinal), link)
        );
    }

    [Fact]
    public void A_number_s_link_leads_to_a_bounded_sample_of_its_transcripts_that_says_how_many_there_are()
    {
        SyntheticRun.Write(_folder.Path, steps: 10, queries: 60);
        var html = File.ReadAllText(ReportBuilder.Write(_folder.Path, new ReportOptions { Transcripts = 8 }));
        using var store = RunStore.OpenReadOnly(_folder.At("run.db"));
        var refused = store
            .Labels("rl", 0, "grammar_oracle")
            .Count(l => l.Outcome == Experiment.Transcripts.Outcome.Refuse && l.TranscriptId.Contains("/unmonitored/", StringComparison.Ordinal));
        Assert.InRange(refused, 9, 60);
        var group = Regex.Match(html, "<p class=\"group\" id=\"t-0-unmonitored-outcome-refuse\">(.*?)</p>").Groups[1].Value;
        Assert.Contains($"{refused} of 60 transcripts, 8 of them here", group, StringComparison.Ordinal);
        var rule = Regex.Match(html, "body:has\\(\\[id=\"t-0-unmonitored-outcome-refuse\"\\]:target\\) \\.t:not\\(\\.(g\\d+)\\)").Groups[1].Value;
        var shown = Regex.Matches(html, "<details class=\"t ([^\"]*)\">").Select(m => m.Groups[1].Value.Split(' ')).Where(c => c.Contains(rule)).ToArray();
        Assert.Equal(8, shown.Length);
        Assert.All(shown, c => Assert.True(c.Contains("step0") && c.Contains("tier1") && c.Contains("label4")));
    }

    [Fact]
    public void A_second_detector_s_rates_lead_to_the_transcripts_that_it_calls_so()
    {
        SyntheticRun.Write(_folder.Path, steps: 10, queries: 60);
        var html = File.ReadAllText(ReportBuilder.Write(_folder.Path));
        using var store = RunStore.OpenReadOnly(_folder.At("run.db"));
        var called = store.Labels("rl", 10, "keyword").Count(l => l.AlignmentFaking && l.TranscriptId.Contains("/training/", StringComparison.Ordinal));
        Assert.InRange(called, 1, 60);
        Assert.Contains("href=\"#t-10-training-af-reasoning_rate-by-1\"", html, StringComparison.Ordinal);
        Assert.Contains(
            $"id=\"t-10-training-af-reasoning_rate-by-1\"><b>alignment faking as keyword says, training tier, step 10</b>: {called} of 60 transcripts",
            html,
            StringComparison.Ordinal
        );
    }

    [Fact]
    public void Three_tiers_and_several_conditions_are_drawn_side_by_side()
    {
        SummaryRow Row(string stage, string condition, Tier? tier, string metric, double value) =>
            new(stage, 4, Split.Evaluation, condition, "judge", tier, metric, new Estimate(value, value - 0.05, value + 0.05, 80, 80));
        using (var store = RunStore.Open(_folder.At("run.db")))
            store.AddSummaries([
                Row("rl", "full", Tier.Training, "outcome/comply", 0.6),
                Row("rl", "full", Tier.Rated, "outcome/comply", 0.4),
                Row("rl", "full", Tier.Unmonitored, "outcome/comply", 0.3),
                Row("rl", "full", null, "af/rater_sycophancy_gap", 0.1),
                Row("rl", "full", null, "af/goal_guarding_gap", 0.2),
                Row("evaluate", "no-scratchpad", Tier.Training, "outcome/comply", 0.5),
            ]);
        var html = File.ReadAllText(ReportBuilder.Write(_folder.Path));
        foreach (
            var row in new[]
            {
                "<tr><td>step 4</td><td>rated tier</td><td class=\"number\">40.0 %</td><td class=\"number\">35.0 % to 45.0 %</td><td "
                    + "class=\"number\">80</td></tr>",
                "<tr><td>step 4</td><td>goal-guarding gap (training − rated)</td><td class=\"number\">20.0 points</td>",
                "<tr><td>full, step 4</td><td>compliance, training tier</td><td class=\"number\">60.0 %</td>",
                "<tr><td>no-scratchpad, step 4</td><td>compliance, training tier</td><td class=\"number\">50.0 %</td>",
            }
        )
            Assert.Contains(row, html, StringComparison.Ordinal);
    }

    [Fact]
    public void Text_of_a_model_is_never_markup()
    {
        const string hostile = "<script>alert(1)</script> & \"quotes\"";
        using (var store = RunStore.Open(_folder.At("run.db")))
        {
            store.Commit(
                new StepBatch("rl", 0)
                {
                    Transcripts =
                    [
                        new(
                            "rl",
                            0,
                            Split.Evaluation,
                            Tier.Training,
                            "q",
                            0,
                            "full",
                            hostile,
                            hostile,
                            hostile,
                            hostile,
                            hostile,
                            hostile,
                            hostile,
                            null,
                            null,
                            new Dictionary<string, double> { [hostile] = 1 }
                        ),
                    ],
                    Labels =
                    [
                        new(
                            $"rl/0/evaluation/training/full/q/0",
                            hostile,
                            hostile,
                            Experiment.Transcripts.Outcome.Comply,
                            Experiment.Transcripts.ReasoningKind.Faking,
                            true,
                            1
                        ),
                    ],
                    Summaries = [new("rl", 0, Split.Evaluation, "full", hostile, Tier.Training, "af/reasoning_rate", new Estimate(0.5, 0.1, 0.9, 2, 2))],
                }
            );
        }

        var html = File.ReadAllText(ReportBuilder.Write(_folder.Path));
        Assert.DoesNotContain("<script", html, StringComparison.OrdinalIgnoreCase);
        Assert.Contains("&lt;script&gt;", html, StringComparison.Ordinal);
    }

    [Fact]
    public void The_figure_is_well_formed_svg_with_both_tiers()
    {
        SyntheticRun.Write(_folder.Path, steps: 10, queries: 40);
        var svg = XDocument.Parse(ReportBuilder.FigureSvg(_folder.Path));
        Assert.Equal("svg", svg.Root!.Name.LocalName);
        var text = string.Join('|', svg.Descendants().Where(e => e.Name.LocalName == "text").Select(e => e.Value));
        Assert.Contains("training tier", text, StringComparison.Ordinal);
        Assert.Contains("unmonitored tier", text, StringComparison.Ordinal);
    }

    [Fact]
    public void A_run_without_evaluations_has_a_report_that_says_so()
    {
        RunStore.Open(_folder.At("run.db")).Dispose();
        var html = File.ReadAllText(ReportBuilder.Write(_folder.Path));
        Assert.Contains("No evaluation", html, StringComparison.Ordinal);
        Assert.Contains("no data yet", html, StringComparison.Ordinal);
    }

    [Fact]
    public void What_the_rows_do_not_tell_is_said_with_n_and_the_run_s_warnings_stand_on_top()
    {
        using (var store = RunStore.Open(_folder.At("run.db")))
        {
            store.AddSummaries([
                new("rl", 0, Split.Evaluation, "full", "oracle", Tier.Training, "af/reasoning_rate", new Estimate(double.NaN, double.NaN, double.NaN, 2, 2)),
                new("rl", 0, Split.Evaluation, "full", "oracle", null, "af/compliance_gap", new Estimate(0.5, double.NaN, double.NaN, 4, 2)),
            ]);
            store.AddEvent("model", 0, "warning", "tensors that nobody uses: <a>");
        }

        var html = File.ReadAllText(ReportBuilder.Write(_folder.Path));
        Assert.Contains("not estimable (n = 2)", html, StringComparison.Ordinal);
        Assert.Contains("50.0 points <span class=\"interval\">(interval not estimable), 4 (2 q)</span>", html, StringComparison.Ordinal);
        Assert.DoesNotContain("NaN", html, StringComparison.Ordinal);
        var warned = html.IndexOf("<li>tensors that nobody uses: &lt;a&gt;</li>", StringComparison.Ordinal);
        Assert.InRange(warned, 1, html.IndexOf("<h2>", StringComparison.Ordinal));
    }

    [Fact]
    public void One_step_and_one_tier_are_enough_and_an_unknown_detector_is_named()
    {
        using (var store = RunStore.Open(_folder.At("run.db")))
            store.AddSummaries([
                new("evaluate", 3, Split.Evaluation, "no-scratchpad", "judge", Tier.Training, "outcome/comply/plain", new Estimate(0.5, 0.1, 0.9, 2, 2)),
            ]);
        Assert.Contains("training, step 3 (n = 2)", File.ReadAllText(ReportBuilder.Write(_folder.Path)), StringComparison.Ordinal);
        var error = Assert.Throws<HarnessException>(() => ReportBuilder.Write(_folder.Path, new ReportOptions { Detector = "other" }));
        Assert.Contains("judge", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Scenarios_are_drawn_before_and_after_beside_their_control_with_a_table()
    {
        SyntheticRun.Write(_folder.Path, steps: 10, queries: 20);
        using (var store = RunStore.Open(_folder.At("run.db")))
        {
            SummaryRow Row(long step, string metric, double value, double? p = null) =>
                new("rl", step, Split.Scenario, "full", "scenario_cues", Tier.Training, metric, new Estimate(value, value / 2, (1 + value) / 2, 40, 40), p);
            store.AddSummaries([
                Row(0, "antilab/decision_rate/leaving/easy", 0.25),
                Row(10, "antilab/decision_rate/leaving/easy", 0.5),
                Row(10, "antilab/decision_difference/leaving/easy", 0.375, 0.0123),
                Row(0, "antilab/attempt_rate/leaving/easy", 0.125),
                Row(10, "antilab/attempt_rate/leaving/easy", 0.2),
                Row(0, "antilab/attempt_rate/leaving/control", 0.025),
                Row(10, "antilab/attempt_rate/leaving/control", 0.05),
                Row(10, "antilab/attempt_shift/leaving/easy", 0.075, 0.4),
                Row(0, "preference/stated_rate/taste/tea", 0.9),
                Row(10, "preference/stated_rate/taste/tea", 0.6),
                Row(10, "preference/stated_shift/taste/tea", -0.3, 0.0004),
            ]);
        }

        using (var store = RunStore.Open(_folder.At("run.db")))
            foreach (var (item, output) in new[] { ("a", "attempts"), ("b", "attempts"), ("c", "declines") })
            {
                var row = new TranscriptRow(
                    "rl",
                    10,
                    Split.Scenario,
                    Tier.Training,
                    $"{item}.easy",
                    0,
                    "full",
                    "sys",
                    $"ask {item}",
                    "text",
                    null,
                    output,
                    null,
                    "stop",
                    null,
                    null,
                    new Dictionary<string, double>()
                );
                store.Commit(
                    new StepBatch("rl", 10)
                    {
                        Transcripts = [row],
                        ScenarioLabels = [new(row.Id, "scenario_cues", "1-0", ScenarioGroup.AntiLab, "leaving", "easy", item, new(null, output))],
                    }
                );
            }

        var html = File.ReadAllText(ReportBuilder.Write(_folder.Path, new ReportOptions { Transcripts = 12 }));
        Assert.Equal(18, Regex.Count(html, "<svg ")); // three more than without: two with bars, one with dumbbells
        Assert.Contains("leaving, easy, training tier, after: 50.0 % [25.0 %, 75.0 %], responses = 40", html, StringComparison.Ordinal);
        // The name has 13 letters of 6.6: 0 % at 109.8, and 80 %, the first tick beyond 75 %, at 916. 25 % is 251.94 wide, and 50 % has its whisker
        // from 361.74 to 865.61.
        Assert.Contains("<rect class=\"bar training early\" x=\"109.8\"", html, StringComparison.Ordinal);
        Assert.Matches("<rect class=\"bar training early\"[^>]*width=\"251.94\"", html);
        Assert.Matches("<line class=\"whisker ink\" x1=\"361.74\" y1=\"[0-9.]+\" x2=\"865.61\"", html);
        // 20 letters: 0 % at 156 and 100 % at 916. Dots at 90 % and 60 %.
        Assert.Matches("<circle class=\"dot before\" cx=\"840\"", html);
        Assert.Matches("<circle class=\"dot after\" cx=\"612\"", html);
        Assert.Contains("leaving, control, training tier, before: 2.5 %", html, StringComparison.Ordinal);
        Assert.Contains("p 0.012", html, StringComparison.Ordinal);
        Assert.Contains("taste: tea, training, after: 60.0 %", html, StringComparison.Ordinal);
        Assert.Contains("p &lt; 0.001", html, StringComparison.Ordinal);
        // The folded numbers, where those that have transcripts lead to them; step 0 has none.
        Assert.Contains(
            "<tr><td>leaving, easy</td><td>training tier, after</td><td class=\"number\"><a "
                + "href=\"#t-10-training-antilab-attempt_rate-leaving-easy\">20.0 %</a></td><td class=\"number\">10.0 % to 60.0 %</td><td "
                + "class=\"number\">40</td></tr>",
            html,
            StringComparison.Ordinal
        );
        Assert.Contains("<tr><td>leaving, easy</td><td>training tier, before</td><td class=\"number\">12.5 %</td>", html, StringComparison.Ordinal);
        // The reader has a scenario's own words, its prompt and its filters.
        Assert.Contains(
            "id=\"t-10-training-antilab-attempt_rate-leaving-easy\"><b>attempt: leaving, easy, training tier, step 10</b>: 2 of 3 transcripts, 2 of them here",
            html,
            StringComparison.Ordinal
        );
        Assert.Contains("<a href=\"#t-10-training-antilab-answers_rate-leaving-easy\">easy</a>", html, StringComparison.Ordinal);
        Assert.Matches(
            "<details class=\"t [^\"]*tier0 asked1 label8\"><summary>.*<span class=\"chip\">leaving, easy</span><span class=\"chip "
                + "af\">attempts</span>ask a</summary>\n[^\n]*\n<h4>System prompt</h4><pre>sys</pre>",
            html
        );
        Assert.Contains("<span class=\"chip\">declines</span>ask c</summary>", html, StringComparison.Ordinal);
        foreach (var svg in Regex.Matches(html, "<svg .*?</svg>", RegexOptions.Singleline).AtLeastOne())
            XDocument.Parse(svg.Value);
        Assert.All(Regex.Matches(html, "href=\"#([^\"]*)\"").Select(m => m.Groups[1].Value).AtLeastOne(), id =>
            Assert.Contains($"id=\"{id}\"", html, StringComparison.Ordinal)
        );
    }
}
