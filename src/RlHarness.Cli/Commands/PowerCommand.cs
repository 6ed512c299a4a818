using System.CommandLine;
using System.Globalization;
using RlHarness.Cli.Terminal;
using RlHarness.Core.Settings;
using RlHarness.Recipes.Planning;
using RlHarness.Recipes.Settings;
using Spectre.Console;

namespace RlHarness.Cli.Commands;

internal static class PowerCommand
{
    internal static Command Create()
    {
        var config = new Argument<string?>("config")
        {
            Description = "Settings whose evaluate.queries and corpus count; left out, options alone.",
            Arity = ArgumentArity.ZeroOrOne,
        };
        var overrides = new Argument<string[]>("overrides") { Description = "key=value pairs over the file.", Arity = ArgumentArity.ZeroOrMore };
        var queries = new Option<int?>("--queries") { Description = "Evaluation queries, each asked in both tiers; default: the file's, or 200." };
        var discordant = new Option<double>("--discordant")
        {
            Description = "Share of queries that the two tiers answer differently (paper: 0.115).",
            DefaultValueFactory = _ => DesignPower.PaperDiscordance,
        };
        var seeds = new Option<int>("--seeds") { Description = "Runs in each condition.", DefaultValueFactory = _ => 1 };
        var alpha = new Option<double>("--alpha") { Description = "Level of the two-sided tests.", DefaultValueFactory = _ => 0.05 };
        var power = new Option<double>("--power") { Description = "Wanted share of experiments that find the effect.", DefaultValueFactory = _ => 0.8 };
        var json = Options.Json();
        var command = new Command(
            "power",
            "What effect a design can see, before it is run: the paper's effects, the power of this design for each, and the queries that "
                + "it takes. docs/statistics.md shows how these numbers compare with simulation.\n\nExamples:\n  rlharness power "
                + "configs/quickstart.yaml\n  rlharness power --queries 400 --discordant 0.3 --seeds 5"
        )
        {
            config,
            overrides.WithKeys(),
            queries,
            discordant,
            seeds,
            alpha,
            power,
            json,
        };
        command.SetAction(parsed =>
            CommandLine.Guard(() =>
            {
                var settings = parsed.GetValue(config) is { } file
                    ? SettingsReader.Read<RunSettings>(SettingsFiles.Find(file), parsed.GetValue(overrides) ?? [], SettingsChecks.Of)
                    : null;
                var design = new EffectPower.Design(
                    Options.Within("--queries", parsed.GetValue(queries) ?? settings?.Evaluate.Queries ?? 200, 1, 1_000_000),
                    Options.Within("--discordant", parsed.GetValue(discordant), 1e-6, 1),
                    Options.Within("--seeds", parsed.GetValue(seeds), 1, 1000),
                    Options.Within("--alpha", parsed.GetValue(alpha), 1e-9, 0.5),
                    Options.Within("--power", parsed.GetValue(power), 0.5, 0.999999)
                );
                var warnings = settings is null
                    ? []
                    : DesignPower.Of(settings with { Evaluate = settings.Evaluate with { Queries = design.Queries } }).Warnings;
                var found = EffectPower.For(design);
                if (parsed.GetValue(json))
                {
                    var detectable = found.Detectable.Select(d => new { d.What, d.Smallest });
                    JsonOutput.Print(new { Design = found.Of, Effects = found.Rows, Detectable = detectable, Warnings = warnings });
                    return 0;
                }

                Print(found);
                foreach (var warning in warnings)
                    Console.WriteLine("warning: " + warning);
                return 0;
            })
        );
        return command;
    }

    private static void Print(EffectPower found)
    {
        if (Console.IsOutputRedirected)
            AnsiConsole.Profile.Width = 140;
        var d = found.Of;
        var table = new Table()
            .Title(
                string.Create(
                    CultureInfo.InvariantCulture,
                    $"{d.Queries} queries in both tiers, {100 * d.Discordant:0.#} % discordant, level {100 * d.Alpha:0.##} %"
                )
            )
            .AddColumns("effect of the paper", "test", "power, %", string.Create(CultureInfo.InvariantCulture, $"queries for {100 * d.Power:0} %"));
        foreach (var r in found.Rows)
            table.AddRow(
                Markup.Escape(r.Effect),
                r.Test,
                (100 * r.Power).ToString("f1", CultureInfo.InvariantCulture),
                double.IsNaN(r.Needed) ? "–" : r.Needed.ToString("f0", CultureInfo.InvariantCulture)
            );
        AnsiConsole.Write(table);
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"Smallest effects that are found with power {100 * d.Power:0} %:"));
        foreach (var (what, smallest) in found.Detectable)
            Console.WriteLine($"  {what}: {smallest}");
        Console.WriteLine("Several samples of a query are not as many queries more, and a claim about training has the seed as its unit.");
    }
}
