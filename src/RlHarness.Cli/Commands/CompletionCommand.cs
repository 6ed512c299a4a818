using System.CommandLine;
using RlHarness.Core.Settings;
using RlHarness.Experiment.Packs;
using RlHarness.Recipes.Settings;

namespace RlHarness.Cli.Commands;

/// <summary>
/// Prints a script that makes a shell complete commands, options, names of packs and keys of settings. The script asks the program itself, by the directive
/// <c>[suggest:POSITION] "command line"</c> of System.CommandLine.
/// </summary>
internal static class CompletionCommand
{
    internal static Command Create()
    {
        var shell = new Argument<string>("shell") { Description = "bash, zsh, fish or pwsh." };
        shell.AcceptOnlyFromAmong("bash", "zsh", "fish", "pwsh");
        var command = new Command(
            "completion",
            "Print a script that completes commands, options and keys of settings in a shell.\n\nExamples:\n  source <(rlharness completion bash)          "
                + "  this shell; in ~/.bashrc: every one\n  rlharness completion zsh > ~/.zfunc/_rlharness   with that folder in $fpath before compinit\n"
                + "  rlharness completion fish > ~/.config/fish/completions/rlharness.fish\n  rlharness completion pwsh | Out-String | Invoke-Expression\n\n"
                + "The program has to be called rlharness and be in PATH, or be called by its path."
        )
        {
            shell,
        };
        command.SetAction(parsed =>
            CommandLine.Guard(() =>
            {
                Console.Write(Script(parsed.GetValue(shell)!));
                return 0;
            })
        );
        return command;
    }

    /// <summary>Keys of a run's settings with an equals sign, for arguments that are key=value pairs.</summary>
    internal static Argument<string[]> WithKeys(this Argument<string[]> overrides)
    {
        // Help would name the argument by all that it can be completed to.
        overrides.HelpName = "key=value";
        overrides.CompletionSources.Add(context =>
            context.WordToComplete.Contains('=', StringComparison.Ordinal)
                ? []
                : SettingsDocument
                    .Keys(typeof(RunSettings))
                    .Select(key => key + "=")
                    .Where(key => key.StartsWith(context.WordToComplete, StringComparison.Ordinal))
        );
        return overrides;
    }

    /// <summary>Names of packs.</summary>
    internal static Argument<string> WithPacks(this Argument<string> pack)
    {
        pack.HelpName = "pack";
        pack.CompletionSources.Add(_ => PackLibrary.Names());
        return pack;
    }

    // Each script hands over the line without its first word, which may be a path, and the cursor's place in what is left. Suggestions that end with an equals
    // sign want no space after them. Where the program suggests nothing, the shell completes names of files.
    private static string Script(string shell) =>
        shell switch
        {
            "bash" => """
                # rlharness: completion for bash; source it
                _rlharness_complete() {
                    local first="${COMP_LINE%%[[:space:]]*}" IFS=$'\n' found
                    found=$("${first/#\~/$HOME}" "[suggest:$((COMP_POINT - ${#first} - 1))]" "${COMP_LINE:$((${#first} + 1))}" 2> /dev/null)
                    COMPREPLY=($(compgen -W "$found" -- "${COMP_WORDS[COMP_CWORD]}"))
                    [[ ${#COMPREPLY[@]} -ne 1 || ${COMPREPLY[0]} != *= ]] || compopt -o nospace
                }
                complete -o bashdefault -o default -F _rlharness_complete rlharness

                """,
            "zsh" => """
                #compdef rlharness
                # rlharness: completion for zsh
                _rlharness() {
                    local first="${words[1]}" line="${BUFFER#${words[1]}}"
                    line="${line# }"
                    local -a found plain keys
                    found=("${(@f)$("${first/#\~/$HOME}" "[suggest:$((CURSOR - ${#first} - 1))]" "$line" 2> /dev/null)}")
                    keys=(${(M)found:#*=})
                    plain=(${found:#*=})
                    (( ${#plain} )) && compadd -a plain
                    (( ${#keys} )) && compadd -S '' -a keys
                    _files
                }
                compdef _rlharness rlharness

                """,
            "fish" => """
                # rlharness: completion for fish
                function __rlharness_complete
                    set -l line (commandline --cut-at-cursor)
                    set -l first (commandline --tokenize)[1]
                    set -l rest (string replace -- "$first " "" "$line")
                    eval $first "'[suggest:"(string length -- "$rest")"]'" (string escape -- "$rest") 2> /dev/null
                end
                complete --command rlharness --arguments "(__rlharness_complete)"

                """,
            _ => """
                # rlharness: completion for PowerShell
                Register-ArgumentCompleter -Native -CommandName rlharness -ScriptBlock {
                    param($wordToComplete, $commandAst, $cursorPosition)
                    $first = $commandAst.CommandElements[0].Extent.Text
                    $line = $commandAst.Extent.Text
                    $rest = $line.Substring([Math]::Min($line.Length, $first.Length + 1)).PadRight($cursorPosition - $first.Length - 1)
                    & $first "[suggest:$($cursorPosition - $first.Length - 1)]" $rest 2> $null | Where-Object { $_ -like "$wordToComplete*" } | ForEach-Object {
                        [System.Management.Automation.CompletionResult]::new($_, $_, 'ParameterValue', $_)
                    }
                }

                """,
        };
}
