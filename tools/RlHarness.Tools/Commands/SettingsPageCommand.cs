using System.CommandLine;
using RlHarness.Cli;
using RlHarness.Core.Settings;
using RlHarness.Recipes.Settings;

namespace RlHarness.Tools.Commands;

/// <summary>Prints the page of settings.</summary>
internal static class SettingsPageCommand
{
    private const string Heading = """
        # Settings

        Every key of a run's YAML file. Any of them can be given on the command line as `key=value`, such as `rl.optimizer.learning_rate=1e-5`.

        A setting that is written and can have no effect together with the others is refused, with the reason and what to do. There is one exception: what a
        file sets and the command line switches off is ignored, so that `train configs/quickstart.yaml stages=[corpus]` needs no other file. "Must be left out"
        says when a setting is refused, and "Ignored when" says when it has no effect without being refused. In a design of several runs this holds for what
        a level sets; what all cells share may have no effect in some of them. A file that has every top-level key, such as the config.yaml of a run, is a
        listing: nothing in it counts as written.

        This page is written by `rlharness-tools settings-page > docs/settings.md`; a test compares it with the program.


        """;

    /// <summary>docs/settings.md as it has to be.</summary>
    public static string Page => Heading + SettingsDocument.Markdown(new RunSettings()).TrimEnd('\n') + "\n";

    internal static Command Create()
    {
        var command = new Command("settings-page", "Print docs/settings.md.");
        command.SetAction(_ =>
            CommandLine.Guard(() =>
            {
                Console.Write(Page);
                return 0;
            })
        );
        return command;
    }
}
