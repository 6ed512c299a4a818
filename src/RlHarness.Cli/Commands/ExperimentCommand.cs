using System.CommandLine;
using RlHarness.Cli.Terminal;
using RlHarness.Core.Settings;
using RlHarness.Recipes.Experiments;

namespace RlHarness.Cli.Commands;

internal static class ExperimentCommand
{
    internal static Command Create() =>
        new("experiment", "Designs of several runs.") { Factorial(), Interventions(), Sweep() };

    private static Command Factorial() =>
        Design(
            "factorial",
            "Run every combination of a design's levels with every seed, each as an ordinary run; they share imitation and reward models. "
                + "Then test main effects and interactions, print a table, and write factorial.json and report.html.",
            ("A design, such as configs/factorial.yaml.", "of the design (seeds=[1,2]), or of every cell's run (rl.steps=10)"),
            FactorialDesign.Read,
            design =>
            {
                foreach (var cell in design.Cells)
                    Console.WriteLine($"{cell.Settings.Name}: {State(cell)}");
                Console.WriteLine("# settings of the first cell");
                Console.WriteLine(SettingsWriter.ToYaml(design.Cells[0].Settings));
            },
            (recipe, design, parallel) => FactorialTable.Print(recipe.RunAsync(design, parallel).GetAwaiter().GetResult()),
            FactorialRecipe.ResultFile
        );

    private static Command Interventions() =>
        Design(
            "interventions",
            "Run a baseline and interventions with every seed, each as an ordinary run; the arms of a seed share imitation and reward model. Then "
                + "compare each arm with the baseline over seeds, print a table, and write interventions.json and report.html.",
            ("A comparison, such as configs/interventions.yaml.", "of the comparison (seeds=[1,2]), or of every arm's run (rl.steps=10)"),
            InterventionSettings.Read,
            ListArms,
            (recipe, design, parallel) => FactorialTable.Print(recipe.CompareAsync(design, parallel).GetAwaiter().GetResult()),
            InterventionAnalysis.File
        );

    private static Command Sweep() =>
        Design(
            "sweep",
            "Run the same experiment on several models with every seed, each as an ordinary run. Then say how alignment faking moves with the model's size, and "
                + "what so many seeds could have seen; print a table, and write sweep.json and report.html.",
            ("A sweep, such as configs/sweep.yaml.", "of the sweep (seeds=[1,2]), or of every run (rl.steps=10)"),
            SweepSettings.Read,
            ListArms,
            (recipe, design, parallel) => FactorialTable.Print(recipe.SweepAsync(design, parallel).GetAwaiter().GetResult()),
            SweepAnalysis.File
        );

    private static void ListArms(FactorialDesign design)
    {
        var arms = design.Settings.Factors[0].Levels;
        foreach (var cell in design.Cells)
            Console.WriteLine($"{cell.Settings.Name}: {State(cell)}; {string.Join(' ', arms[cell.Cell].Set)}");
    }

    private static string State(FactorialCell cell) => FactorialRecipe.IsFinished(cell) ? "finished" : "to be run";

    /// <param name="what">Of the file, and of the overrides.</param>
    /// <param name="list">What a dry run prints.</param>
    /// <param name="run">Runs, and prints the result.</param>
    /// <param name="file">The result's file.</param>
    private static Command Design(
        string name,
        string description,
        (string Config, string Overrides) what,
        Func<string, IReadOnlyList<string>, FactorialDesign> read,
        Action<FactorialDesign> list,
        Action<FactorialRecipe, FactorialDesign, int> run,
        string file
    )
    {
        var config = new Argument<string>("config") { Description = what.Config };
        var overrides = new Argument<string[]>("overrides")
        {
            Description = $"key=value pairs: {what.Overrides}.",
            Arity = ArgumentArity.ZeroOrMore,
        };
        var parallel = new Option<int?>("--parallel")
        {
            Description = "Runs at once, each a process of its own with one thread; 1 to 64. On few cores, one for each core is usually quickest.",
        };
        var dryRun = new Option<bool>("--dry-run") { Description = "List the runs and what their settings change; start nothing." };
        var command = new Command(
            name,
            $"{description} Given again, it goes on with what is not finished.\n\nExamples:\n  rlharness experiment {name} configs/{name}.yaml --parallel 2\n"
                + $"  rlharness experiment {name} configs/{name}.yaml name=short rl.steps=4 seeds=[1]"
        )
        {
            config,
            overrides,
            parallel,
            dryRun,
        };
        command.SetAction(
            (parsed, cancellation) =>
                CommandLine.GuardAsync(() =>
                {
                    var design = read(parsed.GetValue(config)!, parsed.GetValue(overrides) ?? []);
                    if (parsed.GetValue(dryRun))
                    {
                        list(design);
                        return 0;
                    }

                    var atOnce = Options.Within("--parallel", parsed.GetValue(parallel) ?? design.Settings.Parallel, 1, 64);
                    run(
                        new FactorialRecipe(new ChildProcess(oneThread: atOnce > 1).RunAsync, Console.WriteLine, TimeProvider.System, cancellation),
                        design,
                        atOnce
                    );
                    Console.WriteLine(Path.Combine(design.Folder, file));
                    Console.WriteLine(Path.Combine(design.Folder, "report.html"));
                    return 0;
                })
        );
        return command;
    }
}
