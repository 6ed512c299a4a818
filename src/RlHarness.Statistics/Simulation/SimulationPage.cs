using System.Globalization;
using System.Text;

namespace RlHarness.Statistics.Simulation;

/// <summary>docs/statistics.md, from the rows of a simulation.</summary>
public static class SimulationPage
{
    private const string Heading = """
        # Do the statistics keep their word?

        This page is written by `rlharness simulate --out docs/statistics.md`. Experiments are drawn from designs whose truth is known, and it is
        counted how often an interval holds the truth
        (promised: 95 %), how often a test rejects where there is nothing (promised: 5 %), and how often it finds an effect that is there (promised:
        what `rlharness power` computes).
        "Holds" means within 1 point (power by a formula for large samples: 2.5 points). "Conservative" is honest and wider than it need be.
        "Outside" is neither, and has its reason beside it.
        Where enumeration or theory gives the figure for the very design, it stands under "computed", and the simulation must agree with it within
        four of its own standard errors.

        Values of single functions are held to golden files that other implementations wrote; this page asks the other question, whether the method
        is any good at the sizes that a run has.
        Bootstraps draw 1,000 resamples here (400 in nested ones), where a run draws 10,000.
        """;

    public static string Markdown(IReadOnlyList<SimulationRow> rows, int experiments, int seed)
    {
        ArgumentNullException.ThrowIfNull(rows);
        var text = new StringBuilder(Heading);
        text.Append(CultureInfo.InvariantCulture, $"\n\n{experiments:n0} experiments for each line, seed {seed}. {Verdicts(rows)}\n");
        Section(text, "Intervals: share that holds the truth, nominal 95 %", rows.Where(r => r.Measure.Kind == SimulationKind.Coverage));
        Section(text, "Tests without an effect: share rejected, nominal 5 %", rows.Where(r => r.Measure.Kind == SimulationKind.Size));
        Section(text, "Power: share found, against the plan", rows.Where(r => r.Measure.Kind == SimulationKind.Power));
        Section(text, "Means", rows.Where(r => r.Measure.Kind == SimulationKind.Mean));
        return text.ToString().ReplaceLineEndings("\n");
    }

    /// <summary>One line for the console and the page.</summary>
    public static string Verdicts(IReadOnlyList<SimulationRow> rows)
    {
        ArgumentNullException.ThrowIfNull(rows);
        int Of(SimulationVerdict v) => rows.Count(r => r.Verdict == v);
        var disagree = rows.Count(r => !r.AgreesWithComputed);
        return $"{Of(SimulationVerdict.Holds)} hold, {Of(SimulationVerdict.Conservative)} are conservative, {Of(SimulationVerdict.Above)} "
            + $"find more than planned, {Of(SimulationVerdict.Outside)} are outside"
            + $" ({rows.Count(IsUnexplained)} without a reason); {disagree} of {rows.Count(r => r.Measure.Computed is not null)} disagree "
            + "with what was computed.";
    }

    /// <summary>A row that should not be: outside without a reason, or in disagreement with what was computed.</summary>
    public static bool IsUnexplained(SimulationRow row)
    {
        ArgumentNullException.ThrowIfNull(row);
        return (row.Verdict == SimulationVerdict.Outside && row.Measure.Remark is null) || !row.AgreesWithComputed;
    }

    private static void Section(StringBuilder text, string title, IEnumerable<SimulationRow> rows)
    {
        text.Append(
            CultureInfo.InvariantCulture,
            $"\n## {title}\n\n| what | design | nominal | computed | found | ± | verdict | remark |\n|---|---|---|---|---|---|---|---|\n"
        );
        foreach (var r in rows)
        {
            var missing = r.Without == 0 ? "" : string.Create(CultureInfo.InvariantCulture, $"{r.Without} experiments gave no answer; ");
            var said = r.Verdict is SimulationVerdict.Holds && r.AgreesWithComputed ? "" : r.Measure.Remark ?? "";
            text.Append(
                CultureInfo.InvariantCulture,
                $"| {r.Measure.What} | {r.Design} | {P(r.Measure.Nominal)} | {(r.Measure.Computed is { } c ? P(c) : "")} | {P(r.Found)} | "
                    + $"{P(r.Error)} | {Word(r)} | {missing}{said} |\n"
            );
        }
    }

    private static string Word(SimulationRow r) =>
        (r.AgreesWithComputed ? "" : "**disagrees with computed**, ")
        + r.Verdict switch
        {
            SimulationVerdict.Holds => "holds",
            SimulationVerdict.Conservative => "conservative",
            SimulationVerdict.Above => "more than planned",
            _ => "**outside**",
        };

    private static string P(double share) => (100 * share).ToString("f2", CultureInfo.InvariantCulture);
}
