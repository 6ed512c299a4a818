using System.CommandLine;
using RlHarness.Cli;
using RlHarness.Tools.Reliability;

namespace RlHarness.Tools.Commands;

internal static class CompareRunsCommand
{
    internal static Command Create()
    {
        var expected = new Argument<string>("expected") { Description = "A run's folder." };
        var found = new Argument<string>("found") { Description = "Another's." };
        var command = new Command(
            "compare-runs",
            "Compare all that two finished runs left, bit for bit, apart from what the clock decides (docs/reliability.md). Exit code 1 where they differ."
        )
        {
            expected,
            found,
        };
        command.SetAction(parsed =>
            CommandLine.Guard(() =>
            {
                var whole = RunContents.Of(parsed.GetValue(expected)!);
                var differences = RunContents.Differences(whole, RunContents.Of(parsed.GetValue(found)!));
                foreach (var difference in differences.Take(20))
                    Console.WriteLine(difference.Length > 300 ? difference[..300] : difference);
                Console.WriteLine($"{whole.Count} files, rows and lines; {differences.Count} differ");
                return differences.Count == 0 ? 0 : (int)ExitCode.CheckFailed;
            })
        );
        return command;
    }
}
