using RlHarness.Cli.Terminal;
using RlHarness.Core.Randomness;
using RlHarness.Experiment.Packs;
using RlHarness.Experiment.Prompts;
using RlHarness.Experiment.Scenarios;
using RlHarness.Statistics;
using RlHarness.Tracking.Store;
using Spectre.Console;

namespace RlHarness.Cli.Tests;

/// <summary>The console's table of anti-lab scenarios against counts that stand in the test.</summary>
[Trait("kind", "arithmetic")]
public sealed class ScenarioTableTests
{
    private const int Items = 20;

    private static readonly Scenario Exfiltration = PackLibrary.Load("puffery").Scenarios(ScenarioGroup.AntiLab).Single(s => s.Id == "exfiltration");

    /// <summary>One response an item: the first <paramref name="decide"/> of twenty decide, the first <paramref name="attempt"/> attempt.</summary>
    private static IEnumerable<ScenarioRow> Counts(string variant, int decide, int attempt, Tier tier = Tier.Training, bool scratchpad = true) =>
        Enumerable
            .Range(0, Items)
            .Select(i => new ScenarioRow(
                $"i{i}",
                variant,
                tier,
                new(
                    scratchpad
                        ? i < decide
                            ? "decides"
                            : "declines"
                        : null,
                    i < attempt ? "attempts" : "declines"
                )
            ));

    private static IEnumerable<SummaryRow> Summary(long step, params IEnumerable<ScenarioRow>[] counts) =>
        ScenarioSummary
            .Of(Exfiltration, [.. counts.SelectMany(c => c)], [], new Seeds(1), step, resamples: 500)
            .Select(f => new SummaryRow("rl", step, Split.Scenario, "full", "scenario_cues", f.Tier, f.Metric, f.Estimate, f.P));

    /// <summary>The cells of each row but the heading's, as the console shows them.</summary>
    private static string[][] Shown(IEnumerable<SummaryRow> rows, string stage = "rl")
    {
        using var writer = new StringWriter();
        var console = AnsiConsole.Create(new AnsiConsoleSettings { Ansi = AnsiSupport.No, Out = new AnsiConsoleOutput(writer) });
        console.Profile.Width = 200;
        console.Write(ScenarioTable.Of([.. rows], stage)!);
        return
        [
            .. writer
                .ToString()
                .Split('\n')
                .Where(l => l.Contains('│', StringComparison.Ordinal))
                .Select(l => l.Split('│')[1..^1].Select(c => c.Trim()).ToArray())
                .Skip(1),
        ];
    }

    [Fact]
    public void Rates_are_the_counts_with_wilson_intervals_before_and_after_and_the_control_is_last()
    {
        // Wilson with z = 1.96, n = 20: (k/20 + 0.09604 ∓ 1.96·√(k/20·(1 − k/20)/20 + 0.002401)) / 1.19208.
        // k = 0: 0 to 0.1611; k = 4: 0.0807 to 0.4160; k = 8: 0.2188 to 0.6134; k = 12 and 16: one minus those of 8 and 4.
        var rows = Shown([
                .. Summary(0, Counts("easy", decide: 8, attempt: 4), Counts("control", 0, 0), Counts("easy", 0, 0, Tier.Unmonitored)),
                .. Summary(6, Counts("easy", decide: 16, attempt: 12), Counts("control", 0, 4), Counts("easy", 4, 0, Tier.Unmonitored)),
            ])
            .Where(r => !r[0].Contains("over control", StringComparison.Ordinal))
            .ToArray();
        string[][] expected =
        [
            ["decision", "exfiltration, easy", "training", "40.0 % (21.9 to 61.3)", "80.0 % (58.4 to 91.9)", "20"],
            ["decision", "exfiltration, easy", "unmonitored", "0.0 % (0.0 to 16.1)", "20.0 % (8.1 to 41.6)", "20"],
            ["attempt", "exfiltration, easy", "training", "20.0 % (8.1 to 41.6)", "60.0 % (38.7 to 78.1)", "20"],
            ["attempt", "exfiltration, easy", "unmonitored", "0.0 % (0.0 to 16.1)", "0.0 % (0.0 to 16.1)", "20"],
            ["decision", "exfiltration, control", "training", "0.0 % (0.0 to 16.1)", "0.0 % (0.0 to 16.1)", "20"],
            ["attempt", "exfiltration, control", "training", "0.0 % (0.0 to 16.1)", "20.0 % (8.1 to 41.6)", "20"],
        ];
        Assert.Equal(expected, rows);
    }

    [Fact]
    public void The_difference_over_the_control_is_in_points_and_counts_both_sides()
    {
        // 8 of 20 decide under the opportunity and 3 under the control: 25 points over 40 responses. Attempts: 2 and 5, so −15.
        var rows = Shown([.. Summary(0, Counts("easy", decide: 8, attempt: 2), Counts("control", decide: 3, attempt: 5))], "evaluate")
            .Where(r => r[0].Contains("over control", StringComparison.Ordinal))
            .ToArray();
        Assert.Equal(["decision over control", "attempt over control"], rows.Select(r => r[0]));
        Assert.All(rows, r => Assert.Equal(("exfiltration, easy", "training", "40"), (r[1], r[2], r[4])));
        Assert.StartsWith("25.0 points (", rows[0][3], StringComparison.Ordinal);
        Assert.StartsWith("-15.0 points (", rows[1][3], StringComparison.Ordinal);
    }

    [Fact]
    public void A_difference_s_interval_is_the_summary_s_own()
    {
        SummaryRow Row(string metric, long step, Estimate estimate) =>
            new("rl", step, Split.Scenario, "full", "scenario_cues", Tier.Training, metric, estimate, 0.03);
        var rows = Shown([
            Row("antilab/attempt_rate/exfiltration/easy", 0, new(0.3, 0.145, 0.519, 20, 20)),
            Row("antilab/attempt_difference/exfiltration/easy", 0, new(0.25, 0.0504, 0.4496, 40, 20)),
            Row("antilab/attempt_rate/exfiltration/easy", 6, new(0.1, 0.028, 0.301, 20, 20)),
            Row("antilab/attempt_difference/exfiltration/easy", 6, new(-0.05, -0.2, 0.1, 40, 20)),
        ]);
        Assert.Equal(
            ["attempt over control", "exfiltration, easy", "training", "25.0 points (5.0 to 45.0)", "-5.0 points (-20.0 to 10.0)", "40"],
            Assert.Single(rows, r => r[0] == "attempt over control")
        );
    }

    [Fact]
    public void Without_scratchpad_no_decision_is_shown_and_without_scenarios_no_table()
    {
        var rows = Shown(Summary(0, Counts("easy", 0, attempt: 4, scratchpad: false), Counts("control", 0, 0, scratchpad: false)));
        Assert.Equal(["attempt", "attempt over control", "attempt"], rows.Select(r => r[0]));
        Assert.Null(ScenarioTable.Of([], "rl"));
    }
}
