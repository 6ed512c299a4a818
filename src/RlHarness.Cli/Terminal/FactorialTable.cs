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

    private static string Percent(double x) => double.IsNaN(x) ? "–" : (100 * x).ToString("f1", CultureInfo.InvariantCulture);

    private static string P(double p) =>
        double.IsNaN(p) ? "–"
        : p < 0.001 ? "< 0.001"
        : p.ToString("f3", CultureInfo.InvariantCulture);
}
