using System.CommandLine;
using RlHarness.Cli.Terminal;
using RlHarness.Core.Errors;
using RlHarness.Core.Settings;
using RlHarness.Recipes.Experiments;
using RlHarness.Recipes.Reporting;

namespace RlHarness.Cli.Commands;

internal static class ExperimentCommand
{
    internal static Command Create() => new("experiment", "Designs of several runs.") { Factorial(), Interventions(), Sweep() };

    private static Command Factorial() =>
        Design(
            "factorial",
            "Run every combination of a design's levels with every seed, each as an ordinary run; they share imitation and reward models. "
                + "Then test main effects and interactions, print a table, and write factorial.json and report.html.",
            ("A design, such as configs/factorial.yaml.", "of the design (seeds=[1,2]), or of every cell's run (rl.steps=10)"),
            FactorialDesign.Read,
            (_, cell) => State(cell),
            (recipe, design, parallel) => FactorialTable.Print(recipe?.RunAsync(design, parallel).GetAwaiter().GetResult() ?? FactorialRecipe.Analyse(design)),
            FactorialRecipe.ResultFile
        );

    private static Command Interventions() =>
        Design(
            "interventions",
            "Run a baseline and interventions with every seed, each as an ordinary run; the arms of a seed share imitation and reward model. Then "
                + "compare each arm with the baseline over seeds, print a table, and write interventions.json and report.html.",
            ("A comparison, such as configs/interventions.yaml.", "of the comparison (seeds=[1,2]), or of every arm's run (rl.steps=10)"),
            InterventionSettings.Read,
            Arm,
            (recipe, design, parallel) =>
                FactorialTable.Print(recipe?.CompareAsync(design, parallel).GetAwaiter().GetResult() ?? FactorialRecipe.Compare(design)),
            InterventionAnalysis.File
        );

    private static Command Sweep() =>
        Design(
            "sweep",
            "Run the same experiment on several models with every seed, each as an ordinary run. Then say how alignment faking moves with the model's size, "
                + "and what so many seeds could have seen; print a table, and write sweep.json and report.html.",
            ("A sweep, such as configs/sweep.yaml.", "of the sweep (seeds=[1,2]), or of every run (rl.steps=10)"),
            SweepSettings.Read,
            Arm,
            (recipe, design, parallel) => FactorialTable.Print(recipe?.SweepAsync(design, parallel).GetAwaiter().GetResult() ?? FactorialRecipe.Sweep(design)),
            SweepAnalysis.File
        );

    private static string Arm(FactorialDesign design, FactorialCell cell) =>
        $"{State(cell)}; {string.Join(' ', design.Settings.Factors[0].Levels[cell.Cell].Set)}".TrimEnd(' ', ';');

    private static string State(FactorialCell cell) => FactorialRecipe.IsFinished(cell) ? "finished" : "to be run";

    /// <param name="what">Of the file, and of the overrides.</param>
    /// <param name="list">What a dry run says of a cell.</param>
    /// <param name="run">Runs what is to be run, or nothing without a recipe, and prints the result.</param>
    /// <param name="file">The result's file.</param>
    private static Command Design(
        string name,
        string description,
        (string Config, string Overrides) what,
        Func<string, IReadOnlyList<string>, FactorialDesign> read,
        Func<FactorialDesign, FactorialCell, string> list,
        Action<FactorialRecipe?, FactorialDesign, int> run,
        string file
    )
    {
        var config = new Argument<string>("config") { Description = what.Config };
        var overrides = new Argument<string[]>("overrides") { Description = $"key=value pairs: {what.Overrides}.", Arity = ArgumentArity.ZeroOrMore };
        var parallel = new Option<int?>("--parallel")
        {
            Description = "Runs at once, each a process of its own with one thread; 1 to 64. On few cores, one for each core is usually quickest.",
        };
        var dryRun = new Option<bool>("--dry-run") { Description = "Show what all runs cost and can see, and what their settings change; start nothing." };
        var (everySetting, quiet) = (Options.Settings(), Options.Quiet());
        var report = new Option<bool>("--report")
        {
            Description = "Analyse runs that are finished, and start none: what a cluster's job does at the end of an array.",
        };
        var command = new Command(
            name,
            $"{description} Given again, it goes on with what is not finished.\n\nExamples:\n  rlharness experiment {name} configs/{name}.yaml --parallel 2\n"
                + $"  rlharness experiment {name} configs/{name}.yaml name=short rl.steps=4 seeds=[1]"
        )
        {
            config,
            overrides.WithKeys(),
            parallel,
            dryRun,
            everySetting,
            quiet,
            report,
        };
        command.SetAction(
            (parsed, cancellation) =>
                CommandLine.GuardAsync(() =>
                {
                    RankedCommand.RefuseRanks("experiment");
                    Options.RequireDryRun(parsed.GetValue(everySetting), parsed.GetValue(dryRun));
                    var design = read(SettingsFiles.Find(parsed.GetValue(config)!), parsed.GetValue(overrides) ?? []);
                    var atOnce = Options.Within("--parallel", parsed.GetValue(parallel) ?? design.Settings.Parallel, 1, 64);
                    if (parsed.GetValue(dryRun))
                    {
                        PlanTable.Print(design, atOnce, cell => list(design, cell), parsed.GetValue(everySetting));
                        return 0;
                    }

                    Action<string> say = parsed.GetValue(quiet) ? _ => { } : Console.WriteLine;
                    if (parsed.GetValue(report))
                        RequireFinished(design);
                    run(
                        parsed.GetValue(report)
                            ? null
                            : new FactorialRecipe(new ChildProcess(oneThread: atOnce > 1).RunAsync, say, TimeProvider.System, cancellation),
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

    /// <summary>Where some runs are not finished, those that there are can still be looked at.</summary>
    private static void RequireFinished(FactorialDesign design)
    {
        string[] left = [.. design.Cells.Where(c => !FactorialRecipe.IsFinished(c)).Select(c => c.Settings.Name)];
        if (left.Length == 0)
            return;
        if (design.Cells.Any(c => File.Exists(Path.Combine(c.Folder, "run.db"))))
            Console.WriteLine(RunReport.Write(design.Folder));
        throw new HarnessException(
            ErrorKind.CheckFailed,
            $"{left.Length} of {design.Cells.Count} runs are not finished, so that their effects can't be tested",
            string.Join(", ", left),
            "every run finished",
            $"`rlharness status {design.Folder}` says how far they are; give the command that started them again: finished runs are kept"
        );
    }
}
