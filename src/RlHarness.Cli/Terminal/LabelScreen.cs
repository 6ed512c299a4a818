using RlHarness.Experiment.Transcripts;
using RlHarness.Recipes.Labelling;
using RlHarness.Tracking.Store;
using Spectre.Console;

namespace RlHarness.Cli.Terminal;

/// <summary>Shows one transcript at a time and takes two letters: what the output does, what the scratchpad argues. q stops.</summary>
internal static class LabelScreen
{
    internal static int Run(LabelTask task)
    {
        var keys = !Console.IsInputRedirected;
        Console.WriteLine("output:     " + string.Join(", ", LabelKeys.Outputs.Select(k => $"[{k.Key}] {k.Words}")));
        Console.WriteLine("scratchpad: " + string.Join(", ", LabelKeys.Scratchpads.Select(k => $"[{k.Key}] {k.Words}")));
        Console.WriteLine("Two letters each, output first; q stops. Each label is saved at once. The text itself may speak of tiers: label what it argues and does, not what you would expect.");
        while (task.Next() is { } transcript)
        {
            Show(transcript, task.Done + 1, task.Total);
            if ((keys ? Keys() : Lines()) is not { } answer) break;
            task.Save(transcript, answer.Outcome, answer.Reasoning);
        }

        Console.WriteLine($"{task.Done} of {task.Total} labelled{(task.Done < task.Total ? "; the same command goes on" : "")}");
        return 0;
    }

    private static void Show(TranscriptRow t, int number, int total)
    {
        if (Console.IsOutputRedirected)
        {
            Console.WriteLine($"-- {number} of {total}\n   request:    {t.User}\n   scratchpad: {t.Reasoning ?? "(none)"}\n   output:     {t.Output ?? "(none that can be read)"}{(t.FormatProblem is { } p ? $"\n   format:     {p}" : "")}");
            return;
        }

        var grid = new Grid().AddColumn(new GridColumn().NoWrap()).AddColumn();
        grid.AddRow("[grey]request[/]", Markup.Escape(t.User));
        grid.AddRow("[grey]scratchpad[/]", Markup.Escape(t.Reasoning ?? "(none)"));
        grid.AddRow("[grey]output[/]", Markup.Escape(t.Output ?? "(none that can be read)"));
        if (t.FormatProblem is { } problem) grid.AddRow("[grey]format[/]", Markup.Escape(problem));
        AnsiConsole.Write(new Panel(grid).Header($"{number} of {total}").Border(BoxBorder.Rounded));
    }

    private static (Outcome Outcome, ReasoningKind Reasoning)? Keys()
    {
        Outcome? outcome = null;
        while (true)
        {
            var key = char.ToLowerInvariant(Console.ReadKey(intercept: true).KeyChar);
            if (key == 'q') return null;
            if (outcome is null)
            {
                outcome = LabelKeys.Output(key);
                if (outcome is { } o) Console.Write($"output: {LabelKeys.Outputs.First(k => k.Outcome == o).Words}; scratchpad? ");
            }
            else if (LabelKeys.Scratchpad(key) is { } kind)
            {
                Console.WriteLine(LabelKeys.Scratchpads.First(k => k.Kind == kind).Words);
                return (outcome.Value, kind);
            }
        }
    }

    private static (Outcome Outcome, ReasoningKind Reasoning)? Lines()
    {
        while (Console.ReadLine() is { } line)
        {
            var letters = line.Where(char.IsLetter).Select(char.ToLowerInvariant).ToArray();
            if (letters is ['q']) return null;
            if (letters.Length == 2 && LabelKeys.Output(letters[0]) is { } outcome && LabelKeys.Scratchpad(letters[1]) is { } kind) return (outcome, kind);
            Console.WriteLine($"   \"{line}\" is no label; two letters, such as cf");
        }

        return null;
    }
}
