using System.CommandLine;
using RlHarness.Cli;
using RlHarness.Core.Files;
using RlHarness.Recipes.Settings;
using RlHarness.Tools.Fidelity;
using TorchSharp;

namespace RlHarness.Tools.Commands;

internal static class FidelityCommand
{
    private const string GoldenVariable = "RLHARNESS_GOLDEN";

    internal static Command Create()
    {
        var golden = new Option<string?>("--golden") { Description = $"The folder of golden values; left out, {GoldenVariable}, then ../shared/golden." };
        var output = new Option<string?>("--out") { Description = "A file for the page, such as docs/fidelity.md; left out, it is printed." };
        var command = new Command(
            "fidelity",
            "Run every golden case and write the largest errors by family as a page. Exit code 1 when something is beyond its "
                + "tolerance.\n\nExamples:\n  rlharness-tools fidelity --out docs/fidelity.md\n  RLHARNESS_MODELS=/data/models rlharness-tools "
                + "fidelity --golden /data/golden"
        )
        {
            golden,
            output,
        };
        command.SetAction(parsed =>
            CommandLine.Guard(() =>
            {
                var models = Environment.GetEnvironmentVariable(ModelLibrary.Variable) is { Length: > 0 } set ? set : Path.Combine("..", "shared", "models");
                var root = parsed.GetValue(golden)
                    ?? (Environment.GetEnvironmentVariable(GoldenVariable) is { Length: > 0 } named ? named : Path.Combine("..", "shared", "golden"));
                var report = GoldenSuite.Run(root, Directory.Exists(models) ? models : null, torch.CPU, Console.Error.WriteLine);
                var page = FidelityPage.Markdown(report);
                if (parsed.GetValue(output) is { } path)
                    AtomicFile.WriteAllText(path, page);
                else
                    Console.Write(page);
                return report.Passed ? 0 : (int)ExitCode.CheckFailed;
            })
        );
        return command;
    }
}
