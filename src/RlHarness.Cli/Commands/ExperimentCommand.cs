using System.CommandLine;
using RlHarness.Cli.Terminal;
using RlHarness.Core.Errors;
using RlHarness.Core.Settings;
using RlHarness.Recipes.Experiments;
using RlHarness.Recipes.Reporting;

namespace RlHarness.Cli.Commands;

internal static class ExperimentCommand
{
    internal static Command Create() => new("experiment", "Designs of several runs.") { Factorial(), Interventions() };

    private static Command Factorial()
    {
        var config = new Argument<string>("config") { Description = "A design, such as configs/factorial.yaml." };
        var overrides = new Argument<string[]>("overrides")
        {
            Description = "key=value pairs: of the design (seeds=[1,2]), or of every cell's run (rl.steps=10).",
            Arity = ArgumentArity.ZeroOrMore,
        };
        var parallel = new Option<int?>("--parallel")
        {
            Description = "Cells that run at once, each a process of its own with one thread; 1 to 64. On few cores, one for each core is usually quickest.",
        };
        var dryRun = new Option<bool>("--dry-run") { Description = "List the cells and what their settings change; start nothing." };
        var report = Report();
        var command = new Command(
            "factorial",
            "Run every combination of a design's levels with every seed, each as an ordinary run; they share imitation and reward models. "
                + "Then test main effects and interactions, print a table, and write factorial.json and report.html. Given again, it goes on "
                + "with what is not finished.\n\nExamples:\n  rlharness experiment factorial configs/factorial.yaml --parallel 2\n  rlharness "
                + "experiment factorial configs/factorial.yaml name=short rl.steps=4 seeds=[1]"
        )
        {
            config,
            overrides,
            parallel,
            dryRun,
            report,
        };
        command.SetAction(
            (parsed, cancellation) =>
                CommandLine.GuardAsync(() =>
                {
                    var design = FactorialDesign.Read(parsed.GetValue(config)!, parsed.GetValue(overrides) ?? []);
                    int AtOnce() => Options.Within("--parallel", parsed.GetValue(parallel) ?? design.Settings.Parallel, 1, 64);
                    if (parsed.GetValue(dryRun))
                    {
                        foreach (var cell in design.Cells)
                            Console.WriteLine($"{cell.Settings.Name}: {(FactorialRecipe.IsFinished(cell) ? "finished" : "to be run")}");
                        Console.WriteLine("# settings of the first cell");
                        Console.WriteLine(SettingsWriter.ToYaml(design.Cells[0].Settings));
                        return 0;
                    }

                    if (parsed.GetValue(report))
                        RequireFinished(design);
                    FactorialTable.Print(
                        parsed.GetValue(report)
                            ? FactorialRecipe.Analyse(design)
                            : Recipe(AtOnce(), cancellation).RunAsync(design, AtOnce()).GetAwaiter().GetResult()
                    );
                    Console.WriteLine(Path.Combine(design.Folder, FactorialRecipe.ResultFile));
                    Console.WriteLine(Path.Combine(design.Folder, "report.html"));
                    return 0;
                })
        );
        return command;
    }

    private static Command Interventions()
    {
        var config = new Argument<string>("config") { Description = "A comparison, such as configs/interventions.yaml." };
        var overrides = new Argument<string[]>("overrides")
        {
            Description = "key=value pairs: of the comparison (seeds=[1,2]), or of every arm's run (rl.steps=10).",
            Arity = ArgumentArity.ZeroOrMore,
        };
        var parallel = new Option<int?>("--parallel")
        {
            Description = "Runs at once, each a process of its own with one thread; 1 to 64. On few cores, one for each core is usually quickest.",
        };
        var dryRun = new Option<bool>("--dry-run") { Description = "List the runs and what each arm changes; start nothing." };
        var report = Report();
        var command = new Command(
            "interventions",
            "Run a baseline and interventions with every seed, each as an ordinary run; the arms of a seed share imitation and reward model. Then "
                + "compare each arm with the baseline over seeds, print a table, and write interventions.json and report.html. Given again, it goes "
                + "on with what is not finished.\n\nExamples:\n  rlharness experiment interventions configs/interventions.yaml\n  rlharness "
                + "experiment interventions configs/interventions.yaml name=short rl.steps=4 seeds=[1]"
        )
        {
            config,
            overrides,
            parallel,
            dryRun,
            report,
        };
        command.SetAction(
            (parsed, cancellation) =>
                CommandLine.GuardAsync(() =>
                {
                    var design = InterventionSettings.Read(parsed.GetValue(config)!, parsed.GetValue(overrides) ?? []);
                    int AtOnce() => Options.Within("--parallel", parsed.GetValue(parallel) ?? design.Settings.Parallel, 1, 64);
                    if (parsed.GetValue(dryRun))
                    {
                        var arms = design.Settings.Factors[0].Levels;
                        foreach (var cell in design.Cells)
                            Console.WriteLine(
                                $"{cell.Settings.Name}: {(FactorialRecipe.IsFinished(cell) ? "finished" : "to be run")}; "
                                    + string.Join(' ', arms[cell.Cell].Set)
                            );
                        return 0;
                    }

                    if (parsed.GetValue(report))
                        RequireFinished(design);
                    FactorialTable.Print(
                        parsed.GetValue(report)
                            ? FactorialRecipe.Compare(design)
                            : Recipe(AtOnce(), cancellation).CompareAsync(design, AtOnce()).GetAwaiter().GetResult()
                    );
                    Console.WriteLine(Path.Combine(design.Folder, InterventionAnalysis.File));
                    Console.WriteLine(Path.Combine(design.Folder, "report.html"));
                    return 0;
                })
        );
        return command;
    }

    private static Option<bool> Report() =>
        new("--report") { Description = "Analyse runs that are finished, and start none: what a cluster's job does at the end of an array." };

    private static FactorialRecipe Recipe(int atOnce, CancellationToken cancellation) =>
        new(new ChildProcess(oneThread: atOnce > 1).RunAsync, Console.WriteLine, TimeProvider.System, cancellation);

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
