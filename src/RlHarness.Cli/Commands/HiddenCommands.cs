using System.CommandLine;
using RlHarness.Core.Errors;
using RlHarness.Core.Settings;
using RlHarness.Models.Native;
using RlHarness.Recipes.Checks;
using RlHarness.Recipes.Settings;
using RlHarness.Training.Measuring;

namespace RlHarness.Cli.Commands;

/// <summary>Commands that scripts and tests use; <c>--help</c> does not list them.</summary>
internal static class HiddenCommands
{
    private const string Heading =
        """
            # Settings

            Every key of a run's YAML file. Any of them can be given on the command line as `key=value`, such as `rl.optimizer.learning_rate=1e-5`.

            A setting that is written and can have no effect together with the others is refused, with the reason and what to do. There is one exception: what a
            file sets and the command line switches off is ignored, so that `train configs/quickstart.yaml stages=[corpus]` needs no other file. "Must be left out"
            says when a setting is refused, and "Ignored when" says when it has no effect without being refused. In a design of several runs this holds for what
            a level sets; what all cells share may have no effect in some of them. A file that has every top-level key, such as the config.yaml of a run, is a
            listing: nothing in it counts as written.

            This page is written by `rlharness settings-doc > docs/settings.md`; a test compares it with the program.


            """;

    /// <summary>docs/settings.md as it has to be.</summary>
    public static string SettingsPage => Heading + SettingsDocument.Markdown(new RunSettings()).TrimEnd('\n') + "\n";

    internal static Command SettingsDoc()
    {
        var command = new Command("settings-doc", "Print docs/settings.md.") { Hidden = true };
        command.SetAction(_ =>
            CommandLine.Guard(() =>
            {
                Console.Write(SettingsPage);
                return 0;
            })
        );
        return command;
    }

    internal static Command GpuCheck()
    {
        var device = new Option<string>("--device") { Description = "cuda, cuda:n, or cpu for a try without a GPU.", DefaultValueFactory = _ => "cuda" };
        var shapes = new Option<string[]>("--shapes")
        {
            Description = "tiny, 135m, 1b; none to leave out the speeds.",
            DefaultValueFactory = _ => ["135m", "1b"],
            AllowMultipleArgumentsPerToken = true,
        };
        shapes.AcceptOnlyFromAmong("tiny", "135m", "1b", "none");
        var command = new Command("gpu-check", "Hold a GPU to the CPU: logits, one PPO iteration, speeds.") { device, shapes };
        command.Hidden = true;
        command.SetAction(parsed =>
            CommandLine.Guard(() =>
            {
                var chosen = Devices.Choose(parsed.GetValue(device)!);
                var wanted = (parsed.GetValue(shapes) ?? [])
                    .Select(s =>
                        s switch
                        {
                            "tiny" => ModelShape.Tiny,
                            "135m" => ModelShape.Small,
                            "1b" => ModelShape.Billion,
                            _ => null,
                        }
                    )
                    .OfType<ModelShape>()
                    .ToArray();
                return new GpuCheck(chosen, Console.Out).Run(wanted) ? 0 : (int)ExitCode.CheckFailed;
            })
        );
        return command;
    }
}
