using System.Globalization;
using RlHarness.Recipes.Experiments;
using Spectre.Console;

namespace RlHarness.Cli.Terminal;

/// <summary>What a factorial design ends with: a row for each cell, then the effects.</summary>
internal static class FactorialTable
{
    internal static void Print(FactorialAnalysis a)
    {
        if (Console.IsOutputRedirected)
            AnsiConsole.Profile.Width = 160;
        var cells = new Table()
            .Title($"mean over {a.Seeds.Count} seeds, in percent (gap in points), before → after RL")
            .AddColumns([.. a.Factors.Select(f => f.Name), "AF, training", "AF, unmonitored", "compliance, training", "gap"]);
        foreach (var cell in a.Cells.GroupBy(c => c.Cell).OrderBy(g => g.Key))
            cells.AddRow([
                .. cell.First().Name.Split('_').Select((l, i) => Markup.Escape(l[(a.Factors[i].Name.Length + 1)..])),
                .. new[] { "af_training", "af_unmonitored", "comply_training", "gap" }.Select(n =>
                    $"{Percent(a.Mean(cell.Key, n + "/before"))} → {Percent(a.Mean(cell.Key, n + "/after"))}"
                ),
            ]);
        AnsiConsole.Write(cells);
        foreach (var unit in a.Effects.GroupBy(e => e.Unit))
        {
            var table = new Table()
                .Title(unit.Key == "seed" ? "effects; unit: the seed (t test over seeds)" : "effects; unit: the response (all seeds pooled)")
                .AddColumns("figure", "effect of", "points (95 %)", "p", "p, adjusted");
            foreach (var e in unit)
                table.AddRow(e.Figure, Markup.Escape(e.Effect), $"{Percent(e.Value)} ({Percent(e.Low)} to {Percent(e.High)})", P(e.P), P(e.Adjusted));
            AnsiConsole.Write(table);
        }

        Console.WriteLine(a.Correction + ".");
    }

    /// <summary>What a comparison of interventions ends with: a row for each arm.</summary>
    internal static void Print(InterventionAnalysis a)
    {
        if (Console.IsOutputRedirected)
            AnsiConsole.Profile.Width = 160;
        var table = new Table()
            .Title(
                $"after RL, mean over {a.Seeds.Count} {(a.Seeds.Count == 1 ? "seed" : "seeds")}, in percent "
                    + $"(difference from {Markup.Escape(a.Arms[0].Name)} in points, adjusted p)"
            )
            .AddColumns(
                "arm",
                "AF, training",
                "faking, any output",
                "AF, unmonitored",
                "compliance, training",
                "unreadable",
                "gap",
                "reward",
                "monitor's AUROC"
            );
        foreach (var arm in a.Arms)
            table.AddRow([
                Markup.Escape(arm.Name),
                .. new[] { "af_training", "faking_training", "af_unmonitored", "comply_training", "unreadable_training", "gap" }.Select(f =>
                    Compared(a.Figure(arm.Name, f))
                ),
                a.Figure(arm.Name, "reward") is { } reward ? reward.Mean.ToString("f2", CultureInfo.InvariantCulture) : "–",
                a.Figure(arm.Name, "monitor_auroc_before") is { } before
                    ? string.Create(CultureInfo.InvariantCulture, $"{before.Mean:f2} → ")
                        + (a.Figure(arm.Name, "monitor_auroc")?.Mean.ToString("f2", CultureInfo.InvariantCulture) ?? "–")
                    : "–",
            ]);
        AnsiConsole.Write(table);
        Console.WriteLine(
            $"p of t tests over seeds, adjusted by Benjamini–Hochberg over {a.Figures.Count(f => !double.IsNaN(f.Adjusted))} tests; "
                + "with one seed there is none."
        );
    }

    /// <summary>What a sweep ends with: a row for each model, then the trends.</summary>
    internal static void Print(SweepAnalysis a)
    {
        if (Console.IsOutputRedirected)
            AnsiConsole.Profile.Width = 160;
        var table = new Table()
            .Title($"mean over {a.Seeds.Count} {(a.Seeds.Count == 1 ? "seed" : "seeds")} (95 % over seeds), in percent, gap in points")
            .AddColumns("model", "parameters, M", "AF before, training", "AF after, training", "compliance after, training", "gap before", "gap after");
        foreach (var model in a.Models)
            table.AddRow([
                Markup.Escape(model.Name),
                a.Runs.FirstOrDefault(r => r.Model == model.Name) is { } run ? (run.Parameters / 1e6).ToString("f2", CultureInfo.InvariantCulture) : "–",
                .. new[] { "af_training_before", "af_training", "comply_training", "gap_before", "gap" }.Select(f =>
                    a.Figure(model.Name, f) is { } figure
                        ? Percent(figure.Mean) + (double.IsNaN(figure.Low) ? "" : $" ({Percent(figure.Low)} to {Percent(figure.High)})")
                        : "–"
                ),
            ]);
        AnsiConsole.Write(table);
        foreach (var trend in a.Trends.Where(t => t.Figure is "af_training" or "af_change" or "gap_change"))
            Console.WriteLine(
                $"{SweepAnalysis.Kinds.First(k => k.Name == trend.Figure).Meaning}: {Percent(trend.Slope)} points a tenfold of the parameters "
                    + $"({Percent(trend.Low)} to {Percent(trend.High)}), {trend.Verdict}."
            );
    }

    private static string Compared(InterventionFigure? f) =>
        f is null ? "–"
        : double.IsNaN(f.Difference) ? Percent(f.Mean)
        : $"{Percent(f.Mean)} ({(f.Difference > 0 ? "+" : "")}{Percent(f.Difference)}{(double.IsNaN(f.Adjusted) ? "" : ", p " + P(f.Adjusted))})";

    private static string Percent(double x) => double.IsNaN(x) ? "–" : (100 * x).ToString("f1", CultureInfo.InvariantCulture);

    private static string P(double p) =>
        double.IsNaN(p) ? "–"
        : p < 0.001 ? "< 0.001"
        : p.ToString("f3", CultureInfo.InvariantCulture);
}
