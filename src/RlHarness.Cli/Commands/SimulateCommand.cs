using System.CommandLine;
using RlHarness.Core.Errors;
using RlHarness.Core.Files;
using RlHarness.Core.Randomness;
using RlHarness.Statistics.Simulation;
using RlHarness.Statistics.Studies;

namespace RlHarness.Cli.Commands;

internal static class SimulateCommand
{
    internal static Command Create()
    {
        var experiments = new Option<int>("--experiments")
        {
            Description = "Experiments for each line.",
            DefaultValueFactory = _ => Simulator.DefaultExperiments,
        };
        var seed = new Option<int>("--seed") { Description = "The same seed gives the same page.", DefaultValueFactory = _ => 1 };
        var only = new Option<string?>("--only") { Description = "Only studies whose name begins so, such as gap or prevalence/ppi." };
        var path = new Option<string?>("--out") { Description = "Write the page here; left out, it is printed." };
        var command = new Command(
            "simulate",
            "Draw synthetic experiments with a known truth, and count how often each interval holds it, how often each test rejects where "
                + "there is nothing, and how often it finds what is there. Exit code 1: something is outside without a known "
                + "reason.\n\nExamples:\n  rlharness simulate --only gap --experiments 2000\n  rlharness simulate --out docs/statistics.md"
        )
        {
            experiments,
            seed,
            only,
            path,
        };
        command.SetAction(
            (parsed, cancellation) =>
                CommandLine.GuardAsync(() =>
                {
                    var count = Options.Within("--experiments", parsed.GetValue(experiments), 100, 10_000_000);
                    var studies = StudyCatalogue.All().Where(s => s.Name.StartsWith(parsed.GetValue(only) ?? "", StringComparison.Ordinal)).ToArray();
                    if (studies.Length == 0)
                        throw new HarnessException(
                            ErrorKind.BadInput,
                            "--only names no study",
                            parsed.GetValue(only),
                            string.Join(", ", StudyCatalogue.All().Select(s => s.Name))
                        );
                    var simulator = new Simulator(new Seeds((ulong)parsed.GetValue(seed)), count);
                    var rows = new List<SimulationRow>();
                    foreach (var (study, at) in studies.Select((s, i) => (s, i)))
                    {
                        Console.Error.WriteLine($"{at + 1}/{studies.Length} {study.Name}: {study.Design}");
                        rows.AddRange(simulator.Run(study, cancellation));
                    }

                    var page = SimulationPage.Markdown(rows, count, parsed.GetValue(seed));
                    if (parsed.GetValue(path) is { } file)
                        AtomicFile.WriteAllText(file, page);
                    else
                        Console.Write(page);
                    Console.Error.WriteLine(SimulationPage.Verdicts(rows));
                    foreach (var row in rows.Where(SimulationPage.IsUnexplained))
                        Console.Error.WriteLine($"  {row.Study}: {row.Measure.What}");
                    return rows.Any(SimulationPage.IsUnexplained) ? (int)ExitCode.CheckFailed : 0;
                })
        );
        return command;
    }
}
