using System.CommandLine;
using System.Globalization;
using RlHarness.Cli;
using RlHarness.Core.Randomness;
using RlHarness.Tools.Reliability;

namespace RlHarness.Tools.Commands;

internal static class KillLoopCommand
{
    internal static Command Create()
    {
        var kills = new Option<int>("--kills") { Description = "Processes to end.", DefaultValueFactory = _ => 50 };
        var seed = new Option<int>("--seed") { Description = "Of the moments and the signals.", DefaultValueFactory = _ => 1 };
        var program = new Option<string?>("--program") { Description = "The built rlharness; left out: the one beside this tool." };
        var folder = new Option<string?>("--folder") { Description = "Where runs are written; left out: a temporary folder." };
        var command = new Command(
            "kill-loop",
            "End tiny runs at random moments, in every stage, by SIGKILL and by signals; start them again until they are finished; compare each with a "
                + "run that was never stopped, bit for bit (docs/reliability.md)."
        )
        {
            kills,
            seed,
            program,
            folder,
        };
        command.SetAction(parsed =>
            CommandLine.Guard(() =>
            {
                var root = parsed.GetValue(folder) ?? Directory.CreateTempSubdirectory("rlharness-kill-").FullName;
                var loop = new KillLoop(Program(parsed.GetValue(program)), root, new Seeds((ulong)parsed.GetValue(seed)), Console.WriteLine);
                var outcome = loop.Run(parsed.GetValue(kills));
                foreach (var (what, count) in outcome.Hits)
                    Console.WriteLine($"{what}: {count}");
                var bad = outcome.Wrong.Select(w => w.Split(':')[0]).Distinct().Count();
                Console.WriteLine(
                    string.Create(
                        CultureInfo.InvariantCulture,
                        $"seed {parsed.GetValue(seed)}: {outcome.Kills} kills; {outcome.Runs - bad} of {outcome.Runs} runs ended as one that was never stopped"
                    )
                );
                if (outcome.Wrong.Count == 0)
                    Directory.Delete(root, recursive: true);
                return outcome.Wrong.Count == 0 ? 0 : (int)ExitCode.CheckFailed;
            })
        );
        return command;
    }

    /// <summary>The host needs the assembly's path where the program is no executable of its own.</summary>
    internal static IReadOnlyList<string> Program(string? path) =>
        path is null ? ["dotnet", Path.Combine(AppContext.BaseDirectory, "rlharness.dll")]
        : path.EndsWith(".dll", StringComparison.Ordinal) ? ["dotnet", Path.GetFullPath(path)]
        : [Path.GetFullPath(path)];
}
