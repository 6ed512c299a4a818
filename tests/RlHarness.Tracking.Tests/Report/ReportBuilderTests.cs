using System.Text.RegularExpressions;
using System.Xml.Linq;
using RlHarness.Core.Errors;
using RlHarness.Experiment.Prompts;
using RlHarness.Experiment.Scenarios;
using RlHarness.Experiment.Statistics;
using RlHarness.Tracking.Report;
using RlHarness.Tracking.Store;

namespace RlHarness.Tests.Report;

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
            File.Copy(_folder["report.html"], Path.Combine(keep, "report.html"), overwrite: true);
            File.WriteAllText(Path.Combine(keep, "figure.svg"), ReportBuilder.FigureSvg(_folder.Path));
        }

        Assert.Equal(9, Regex.Count(html, "<svg "));
        Assert.Equal(20, Regex.Count(html, "<details>"));
        Assert.Contains("<td>alignment faking</td>", html, StringComparison.Ordinal);
        Assert.Contains("60 (60 q)", html, StringComparison.Ordinal);
        Assert.Contains("keyword", html, StringComparison.Ordinal);
        Assert.DoesNotContain("NaN", html, StringComparison.Ordinal);
        var links = Regex.Matches(html, "(?:src|href)=|https?://[^\"]*").Select(m => m.Value).Distinct();
        Assert.Equal(["http://www.w3.org/2000/svg"], links); // the name of a format, not a request
    }

    [Fact]
    public void Text_of_a_model_is_never_markup()
    {
        const string hostile = "<script>alert(1)</script> & \"quotes\"";
        using (var store = RunStore.Open(_folder["run.db"]))
        {
            store.Commit(new StepBatch("rl", 0)
            {
                Transcripts = [new("rl", 0, Split.Evaluation, Tier.Training, "q", 0, "full", hostile, hostile, hostile, hostile, hostile, hostile, hostile, null, null, new Dictionary<string, double> { [hostile] = 1 })],
                Labels = [new($"rl/0/evaluation/training/full/q/0", hostile, hostile, Experiment.Transcripts.Outcome.Comply, Experiment.Transcripts.ReasoningKind.Faking, true, 1)],
                Summaries = [new("rl", 0, Split.Evaluation, "full", hostile, Tier.Training, "af/reasoning_rate", new Estimate(0.5, 0.1, 0.9, 2, 2))],
            });
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
        RunStore.Open(_folder["run.db"]).Dispose();
        var html = File.ReadAllText(ReportBuilder.Write(_folder.Path));
        Assert.Contains("No evaluation", html, StringComparison.Ordinal);
        Assert.Contains("no data yet", html, StringComparison.Ordinal);
    }

    [Fact]
    public void One_step_and_one_tier_are_enough_and_an_unknown_detector_is_named()
    {
        using (var store = RunStore.Open(_folder["run.db"]))
            store.AddSummaries([new("evaluate", 3, Split.Evaluation, "no-scratchpad", "judge", Tier.Training, "outcome/comply/plain", new Estimate(0.5, 0.1, 0.9, 2, 2))]);
        Assert.Contains("training, step 3 (n = 2)", File.ReadAllText(ReportBuilder.Write(_folder.Path)), StringComparison.Ordinal);
        var error = Assert.Throws<HarnessException>(() => ReportBuilder.Write(_folder.Path, new ReportOptions { Detector = "other" }));
        Assert.Contains("judge", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Scenarios_are_drawn_before_and_after_beside_their_control_with_a_table()
    {
        SyntheticRun.Write(_folder.Path, steps: 10, queries: 20);
        using (var store = RunStore.Open(_folder["run.db"]))
        {
            SummaryRow Row(long step, string metric, double value, double? p = null) => new("rl", step, Split.Scenario, "full", "scenario_cues", Tier.Training, metric, new Estimate(value, value / 2, (1 + value) / 2, 40, 40), p);
            store.AddSummaries(
            [
                Row(0, "antilab/decision_rate/leaving/easy", 0.25), Row(10, "antilab/decision_rate/leaving/easy", 0.5), Row(10, "antilab/decision_difference/leaving/easy", 0.375, 0.0123),
                Row(0, "antilab/attempt_rate/leaving/easy", 0.125), Row(10, "antilab/attempt_rate/leaving/easy", 0.2), Row(0, "antilab/attempt_rate/leaving/control", 0.025), Row(10, "antilab/attempt_rate/leaving/control", 0.05),
                Row(10, "antilab/attempt_shift/leaving/easy", 0.075, 0.4), Row(0, "preference/stated_rate/taste/tea", 0.9), Row(10, "preference/stated_rate/taste/tea", 0.6), Row(10, "preference/stated_shift/taste/tea", -0.3, 0.0004),
            ]);
        }

        using (var store = RunStore.Open(_folder["run.db"]))
            foreach (var (item, output) in new[] { ("a", "attempts"), ("b", "attempts"), ("c", "declines") })
            {
                var row = new TranscriptRow("rl", 10, Split.Scenario, Tier.Training, $"{item}.easy", 0, "full", "sys", $"ask {item}", "text", null, output, null, "stop", null, null, new Dictionary<string, double>());
                store.Commit(new StepBatch("rl", 10) { Transcripts = [row], ScenarioLabels = [new(row.Id, "scenario_cues", "1-0", ScenarioGroup.AntiLab, "leaving", "easy", item, new(null, output))] });
            }

        var html = File.ReadAllText(ReportBuilder.Write(_folder.Path, new ReportOptions { Transcripts = 4 }));
        // Two for each end, one of each kind first; step 0 has none.
        Assert.Contains("2 answers to scenarios to read", html, StringComparison.Ordinal);
        Assert.Matches("<span class=\"chip af\">attempts</span>ask a<", html);
        Assert.Contains("<span class=\"chip\">declines</span>ask c<", html, StringComparison.Ordinal);
        Assert.DoesNotContain("ask b", html, StringComparison.Ordinal);
        Assert.Equal(12, Regex.Count(html, "<svg ")); // two more with bars, one with dumbbells
        Assert.Contains("leaving, easy, after: 50.0 % [25.0, 75.0], n = 40", html, StringComparison.Ordinal);
        // Half of the scale from 168 to 404: 118 wide, its whisker from 227 to 345.
        Assert.Matches("<rect class=\"band training solid\" x=\"168\" y=\"[0-9.]+\" width=\"118\"", html);
        Assert.Matches("<line class=\"whisker training\" x1=\"227\" y1=\"[0-9.]+\" x2=\"345\"", html);
        Assert.Contains("leaving, control, before: 2.5 %", html, StringComparison.Ordinal);
        Assert.Contains("p 0.012", html, StringComparison.Ordinal);
        Assert.Contains("taste, tea, training, after: 60.0 %", html, StringComparison.Ordinal);
        // Dots at 90 % and 60 % of the scale from 300 to 910.
        Assert.Matches("<circle class=\"dot unmonitored\" cx=\"849\"", html);
        Assert.Matches("<circle class=\"dot training\" cx=\"666\"", html);
        Assert.Contains("p &lt; 0.001", html, StringComparison.Ordinal);
        foreach (Match svg in Regex.Matches(html, "<svg .*?</svg>", RegexOptions.Singleline)) XDocument.Parse(svg.Value);
    }

    [Theory]
    [InlineData(0.03, 0.05)]
    [InlineData(1, 1)]
    [InlineData(1.2, 2)]
    [InlineData(70, 100)]
    public void Axis_steps_are_round(double wanted, double expected) => Assert.Equal(expected, LineChart.NiceStep(wanted), 1e-12);
}
