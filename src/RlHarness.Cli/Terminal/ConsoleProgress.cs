using System.Diagnostics;
using System.Globalization;
using RlHarness.Core.Progress;
using RlHarness.Training.Collectives;
using Spectre.Console;

namespace RlHarness.Cli.Terminal;

/// <summary>Chooses the live display on a terminal, plain lines elsewhere.</summary>
internal static class ConsoleProgress
{
    /// <param name="quiet">Warnings alone, on standard error.</param>
    /// <param name="toError">Plain lines go to standard error: of a command whose output is read by scripts.</param>
    internal static IDisposableProgress Create(bool quiet = false, bool toError = false) =>
        quiet ? new SilentProgress()
        : Console.IsOutputRedirected || Launcher.Current is not null || Environment.GetEnvironmentVariable("TERM") is null or "dumb"
            ? new PlainProgress(toError)
        : new LiveProgress();
}

/// <summary>Says nothing but warnings.</summary>
/// <param name="warns">False on a rank that does not print: nothing at all.</param>
internal sealed class SilentProgress(bool warns = true) : IDisposableProgress
{
    public void Stage(string name, int index, int count, string detail) { }

    public void Step(string unit, int done, int total, IReadOnlyList<(string Name, string Value)> figures) { }

    public void StageDone(string name, TimeSpan took, string result) { }

    public void Sample(string title, string prompt, string? reasoning, string? output, string label, double? reward) { }

    public void Note(string text, bool warning = false)
    {
        if (warning && warns)
            Console.Error.WriteLine("warning: " + text);
    }

    public void Dispose() { }
}

internal interface IDisposableProgress : IRunProgress, IDisposable;

/// <summary>Time left, from the pace since this unit of work began to be counted.</summary>
internal sealed class Pace
{
    private readonly Stopwatch _watch = new();
    private string _unit = "";
    private int _from;

    internal void Restart() => _unit = "";

    internal string Left(string unit, int done, int total)
    {
        if (_unit != unit)
        {
            (_unit, _from) = (unit, done);
            _watch.Restart();
        }

        if (done <= _from || _watch.Elapsed.TotalSeconds < 1)
            return "…";
        var left = TimeSpan.FromSeconds(_watch.Elapsed.TotalSeconds / (done - _from) * (total - done));
        return string.Create(CultureInfo.InvariantCulture, $"{(int)left.TotalMinutes}:{left.Seconds:d2} left");
    }
}

/// <summary>One line at a time, at most one progress line every few seconds.</summary>
internal sealed class PlainProgress(bool toError = false) : IDisposableProgress
{
    // Asked for each time: after the terminal has gone, the console has other writers.
    private TextWriter Lines => toError ? Console.Error : Console.Out;

    private readonly Stopwatch _since = new();
    private readonly Pace _pace = new();

    public void Stage(string name, int index, int count, string detail)
    {
        _pace.Restart();
        _since.Reset();
        Lines.WriteLine($"[{index}/{count}] {name} {detail}".TrimEnd());
    }

    public void Step(string unit, int done, int total, IReadOnlyList<(string Name, string Value)> figures)
    {
        var left = _pace.Left(unit, done, total);
        if (_since.IsRunning && _since.Elapsed < TimeSpan.FromSeconds(5) && done < total)
            return;
        if (done == total && figures.Count == 0)
            return;
        if (!_since.IsRunning && figures.Count == 0)
        {
            // What takes less than these seconds needs no line.
            _since.Start();
            return;
        }

        _since.Restart();
        Lines.WriteLine($"      {unit} {done} of {total}, {left}{string.Concat(figures.Select(f => $", {f.Name} {f.Value}"))}");
    }

    public void StageDone(string name, TimeSpan took, string result) =>
        Lines.WriteLine(string.Create(CultureInfo.InvariantCulture, $"      done in {took.TotalSeconds:f1} s: {result}"));

    public void Sample(string title, string prompt, string? reasoning, string? output, string label, double? reward)
    {
        Lines.WriteLine($"      -- sample, {title}: {label}{(reward is { } r ? string.Create(CultureInfo.InvariantCulture, $", reward {r:f2}") : "")}");
        Lines.WriteLine($"         prompt:     {ModelText.Visible(prompt)}");
        if (reasoning is not null)
            Lines.WriteLine($"         scratchpad: {ModelText.Visible(reasoning)}");
        Lines.WriteLine($"         output:     {ModelText.Output(output)}");
    }

    public void Note(string text, bool warning = false) => Lines.WriteLine($"      {(warning ? "warning: " : "")}{text}");

    public void Dispose() { }
}

/// <summary>One live line at the bottom: stage, step of steps, time left, figures. Notes and samples scroll above it.</summary>
internal sealed class LiveProgress : IDisposableProgress
{
    private readonly Pace _pace = new();
    private readonly Stopwatch _drawn = new();
    private string _name = "";
    private bool _line;

    public void Stage(string name, int index, int count, string detail)
    {
        Clear();
        _pace.Restart();
        _name = $"{index}/{count} {name}";
        AnsiConsole.MarkupLine($"[bold]{Markup.Escape(_name)}[/] {Markup.Escape(detail)}");
    }

    public void Step(string unit, int done, int total, IReadOnlyList<(string Name, string Value)> figures)
    {
        var left = _pace.Left(unit, done, total);
        if (_drawn.IsRunning && _drawn.Elapsed < TimeSpan.FromMilliseconds(100) && done < total)
            return;
        _drawn.Restart();
        const int bar = 24;
        var filled = total == 0 ? 0 : (int)((long)bar * done / total);
        var text =
            $"{_name}  {new string('━', filled)}{new string('─', bar - filled)}  {unit} {done}/{total}  "
            + $"{left}{string.Concat(figures.Select(f => $"  {f.Name} {f.Value}"))}";
        var width = Math.Max(20, Console.WindowWidth - 1);
        Clear();
        Console.Write(text.Length > width ? text[..width] : text);
        _line = true;
    }

    public void StageDone(string name, TimeSpan took, string result)
    {
        Clear();
        AnsiConsole.MarkupLine(
            string.Create(CultureInfo.InvariantCulture, $"  [green]✓[/] {Markup.Escape(name)} in {took.TotalSeconds:f1} s: {Markup.Escape(result)}")
        );
    }

    public void Sample(string title, string prompt, string? reasoning, string? output, string label, double? reward)
    {
        Clear();
        var grid = new Grid().AddColumn(new GridColumn().NoWrap()).AddColumn();
        grid.AddRow("[grey]prompt[/]", Markup.Escape(ModelText.Visible(prompt)));
        if (reasoning is not null)
            grid.AddRow("[grey]scratchpad[/]", Markup.Escape(ModelText.Visible(reasoning)));
        grid.AddRow("[grey]output[/]", Markup.Escape(ModelText.Output(output)));
        grid.AddRow("[grey]label[/]", Markup.Escape(label + (reward is { } r ? string.Create(CultureInfo.InvariantCulture, $", reward {r:f2}") : "")));
        AnsiConsole.Write(new Panel(grid).Header(Markup.Escape(title)).Border(BoxBorder.Rounded));
    }

    public void Note(string text, bool warning = false)
    {
        Clear();
        AnsiConsole.MarkupLine(warning ? $"  [yellow]! {Markup.Escape(text)}[/]" : $"  {Markup.Escape(text)}");
    }

    public void Dispose() => Clear();

    private void Clear()
    {
        if (!_line)
            return;
        VisibleConsole.Raw.Write("\r\u001b[2K");
        _line = false;
    }
}
