using System.CommandLine;
using RlHarness.Cli;
using RlHarness.Core.Settings;
using RlHarness.Recipes.Settings;

namespace RlHarness.Tools.Commands;

/// <summary>Prints the page of settings.</summary>
internal static class SettingsPageCommand
{
    private const string Heading =
        "# Settings\n\nEvery key of a run's YAML file. Any of them can be given on the command line as `key=value`, such as `rl.learning_rate=1e-5`.\n"
        + "This page is written by `rlharness-tools settings-page > docs/settings.md`; a test compares it with the program.\n\n";

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
