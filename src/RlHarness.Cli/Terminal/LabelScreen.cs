using RlHarness.Experiment.Transcripts;
using RlHarness.Recipes.Labelling;
using RlHarness.Tracking.Store;
using Spectre.Console;

namespace RlHarness.Cli.Terminal;

/// <summary>Shows one transcript at a time and saves what a person says of it: what the output does, what the scratchpad argues.</summary>
internal static class LabelScreen
{
    private const string None = "(none)";

    internal static int Run(LabelTask task) =>
        Run(
            task,
            Console.IsInputRedirected ? new LabelLines(Console.In, Console.Out) : new LabelKeyboard(() => Console.ReadKey(intercept: true).KeyChar, Console.Out)
        );

    private static int Run(LabelTask task, ILabelInput input)
    {
        Console.WriteLine("output:     " + string.Join(", ", LabelKeys.Outputs.Select(k => $"[{k.Key}] {k.Words}")));
        Console.WriteLine("scratchpad: " + string.Join(", ", LabelKeys.Scratchpads.Select(k => $"[{k.Key}] {k.Words}")));
        Console.WriteLine(
            "Two letters each, output first; on a terminal backspace takes the first one back; q stops. Each label is saved at once. The "
                + "text itself may speak of tiers: label what it argues and does, not what you would expect."
        );
        while (task.Next() is { } transcript)
        {
            Show(transcript, task.Done + 1, task.Total);
            if (input.Next() is not { } answer)
                break;
            task.Save(transcript, answer.Outcome, answer.Reasoning);
        }

        Console.WriteLine($"{task.Done} of {task.Total} labelled{(task.Done < task.Total ? "; the same command goes on" : "")}");
        return 0;
    }

    private static void Show(TranscriptRow t, int number, int total)
    {
        if (Console.IsOutputRedirected)
        {
            Console.WriteLine(
                $"-- {number} of {total}\n   request:    {ModelText.Visible(t.User)}\n   scratchpad: "
                    + $"{ModelText.Visible(t.Reasoning ?? None)}\n   output:     "
                    + $"{ModelText.Output(t.Output)}{(t.FormatProblem is { } p ? $"\n   format:     {p}" : "")}"
            );
            return;
        }

        var grid = new Grid().AddColumn(new GridColumn().NoWrap()).AddColumn();
        grid.AddRow("[grey]request[/]", Markup.Escape(ModelText.Visible(t.User)));
        grid.AddRow("[grey]scratchpad[/]", Markup.Escape(ModelText.Visible(t.Reasoning ?? None)));
        grid.AddRow("[grey]output[/]", Markup.Escape(ModelText.Output(t.Output)));
        if (t.FormatProblem is { } problem)
            grid.AddRow("[grey]format[/]", Markup.Escape(problem));
        AnsiConsole.Write(new Panel(grid).Header($"{number} of {total}").Border(BoxBorder.Rounded));
    }
}

/// <summary>Where a person's labels come from.</summary>
internal interface ILabelInput
{
    /// <summary>What the output of the transcript that is shown does, and what its scratchpad argues; null when the person stops.</summary>
    (Outcome Outcome, ReasoningKind Reasoning)? Next();
}

/// <summary>Two letters a line, such as cf; q, or the end of the input, stops.</summary>
internal sealed class LabelLines(TextReader input, TextWriter output) : ILabelInput
{
    public (Outcome Outcome, ReasoningKind Reasoning)? Next()
    {
        while (input.ReadLine() is { } line)
        {
            var letters = line.Where(char.IsLetter).Select(char.ToLowerInvariant).ToArray();
            if (letters is ['q'])
                return null;
            if (letters.Length == 2 && LabelKeys.Output(letters[0]) is { } outcome && LabelKeys.Scratchpad(letters[1]) is { } kind)
                return (outcome, kind);
            output.WriteLine($"   \"{line}\" is no label; two letters, such as cf");
        }

        return null;
    }
}
