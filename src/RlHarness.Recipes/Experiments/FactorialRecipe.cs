using System.Globalization;
using RlHarness.Core.Errors;
using RlHarness.Core.Files;
using RlHarness.Core.Settings;
using RlHarness.Recipes.Running;
using RlHarness.Recipes.Settings;
using RlHarness.Tracking.Store;

namespace RlHarness.Recipes.Experiments;

/// <summary>
/// Runs the cells of a design that are not finished, some at a time, and then says what the factors do. The first cell of a seed goes alone: it makes the
/// imitating model and the reward model that the others take from the cache.
/// </summary>
/// <param name="launch">Runs <c>train CONFIG</c> or <c>resume RUN</c>, with its console in a log file; returns the exit code.</param>
/// <param name="say">Takes one line for the console.</param>
public sealed class FactorialRecipe(
    Func<IReadOnlyList<string>, string, CancellationToken, Task<int>> launch,
    Action<string> say,
    TimeProvider time,
    CancellationToken cancellation
)
{
    public const string ResultFile = FactorialAnalysis.File;

    /// <summary>Runs what is to be run, and analyses. Returns the analysis, which is also in factorial.json and report.html.</summary>
    /// <exception cref="HarnessException">A cell failed, or a folder holds a run with other settings.</exception>
    public async Task<FactorialAnalysis> RunAsync(FactorialDesign design, int parallel)
    {
        await RunCellsAsync(design, parallel);
        return Analyse(design);
    }

    /// <summary>Analyses a design whose runs are finished. The result is also in factorial.json and report.html.</summary>
    public static FactorialAnalysis Analyse(FactorialDesign design)
    {
        ArgumentNullException.ThrowIfNull(design);
        var analysis = FactorialAnalysis.Of(design);
        AtomicFile.WriteAllText(Path.Combine(design.Folder, ResultFile), analysis.ToJson());
        AtomicFile.WriteAllText(Path.Combine(design.Folder, "report.html"), FactorialPage.Of(analysis, design.Folder));
        return analysis;
    }

    /// <summary>Runs a comparison of interventions and compares each arm with the first. The result is in interventions.json and report.html.</summary>
    /// <exception cref="HarnessException">A cell failed, or a folder holds a run with other settings.</exception>
    public async Task<InterventionAnalysis> CompareAsync(FactorialDesign design, int parallel)
    {
        await RunCellsAsync(design, parallel);
        return Compare(design);
    }

    /// <summary>Compares the arms of a design whose runs are finished. The result is also in interventions.json and report.html.</summary>
    public static InterventionAnalysis Compare(FactorialDesign design)
    {
        ArgumentNullException.ThrowIfNull(design);
        var analysis = InterventionAnalysis.Of(design);
        AtomicFile.WriteAllText(Path.Combine(design.Folder, InterventionAnalysis.File), analysis.ToJson());
        AtomicFile.WriteAllText(Path.Combine(design.Folder, "report.html"), InterventionPage.Of(analysis));
        return analysis;
    }

    /// <summary>Runs a sweep over models, and says how the figures move with size. The result is in sweep.json and report.html.</summary>
    /// <exception cref="HarnessException">A cell failed, or a folder holds a run with other settings.</exception>
    public async Task<SweepAnalysis> SweepAsync(FactorialDesign design, int parallel)
    {
        await RunCellsAsync(design, parallel);
        return Sweep(design);
    }

    /// <summary>Analyses a sweep whose runs are finished. The result is also in sweep.json and report.html.</summary>
    public static SweepAnalysis Sweep(FactorialDesign design)
    {
        ArgumentNullException.ThrowIfNull(design);
        var analysis = SweepAnalysis.Of(design);
        AtomicFile.WriteAllText(Path.Combine(design.Folder, SweepAnalysis.File), analysis.ToJson());
        AtomicFile.WriteAllText(Path.Combine(design.Folder, "report.html"), SweepPage.Of(analysis));
        return analysis;
    }

    private async Task RunCellsAsync(FactorialDesign design, int parallel)
    {
        ArgumentNullException.ThrowIfNull(design);
        design = design.Dated(time.GetLocalNow());
        Directory.CreateDirectory(Path.Combine(design.Folder, "cells"));
        foreach (var cell in design.Cells)
            Foreign(cell);
        var pending = design.Cells.Where(c => !IsFinished(c)).ToList();
        var led = design.Cells.Except(pending).Select(c => c.Seed).ToHashSet();
        say(
            $"{design.CellCount} cells, seeds {string.Join(", ", design.Settings.Seeds)}: {design.Cells.Count} runs, "
                + $"{design.Cells.Count - pending.Count} finished before; {parallel} at a time; {design.Folder}"
        );
        var running = new Dictionary<Task<int>, (FactorialCell Cell, long Started)>();
        var leading = new HashSet<int>();
        var failed = new List<string>();
        var done = design.Cells.Count - pending.Count;
        while (pending.Count > 0 || running.Count > 0)
        {
            while (running.Count < parallel && !cancellation.IsCancellationRequested && Next(pending, led, leading) is { } next)
            {
                pending.Remove(next);
                if (!led.Contains(next.Seed))
                    leading.Add(next.Seed);
                running.Add(Launch(design, next), (next, time.GetTimestamp()));
            }

            if (running.Count == 0)
                break;
            var ended = await Task.WhenAny(running.Keys);
            var (cell, started) = running[ended];
            running.Remove(ended);
            leading.Remove(cell.Seed);
            var code = await ended;
            if (code == 0 && IsFinished(cell))
            {
                led.Add(cell.Seed);
                say(
                    string.Create(
                        CultureInfo.InvariantCulture,
                        $"[{++done}/{design.Cells.Count}] {cell.Settings.Name}: {time.GetElapsedTime(started).TotalSeconds:f0} s; "
                            + $"{FactorialFigures.Line(FactorialFigures.Read(cell))}"
                    )
                );
            }
            else
            {
                failed.Add($"{cell.Settings.Name} (exit code {code}; {Log(design, cell)})");
                say($"{cell.Settings.Name}: ended with exit code {code}; see {Log(design, cell)}");
            }
        }

        cancellation.ThrowIfCancellationRequested();
        if (failed.Count > 0)
            throw new HarnessException(
                ErrorKind.CheckFailed,
                $"{failed.Count} of {design.Cells.Count} cells did not finish",
                string.Join("; ", failed),
                "every cell finished",
                "read their logs, mend the cause, and give the same command again: finished cells are kept"
            );
    }

    /// <summary>True where all stages of a cell's run are done.</summary>
    public static bool IsFinished(FactorialCell cell)
    {
        ArgumentNullException.ThrowIfNull(cell);
        var database = Path.Combine(cell.Folder, "run.db");
        if (!File.Exists(database))
            return false;
        using var store = RunStore.OpenReadOnly(database);
        var stages = store.Stages().ToDictionary(s => s.Stage, s => s.Status, StringComparer.Ordinal);
        return cell.Settings.Stages.All(s => stages.GetValueOrDefault(s) == "done");
    }

    /// <summary>A cell whose seed's models are there; else one that makes them, where no other does already. Makers come first.</summary>
    private static FactorialCell? Next(List<FactorialCell> pending, HashSet<int> led, HashSet<int> leading) =>
        pending.FirstOrDefault(c => !led.Contains(c.Seed) && !leading.Contains(c.Seed)) ?? pending.FirstOrDefault(c => led.Contains(c.Seed));

    private Task<int> Launch(FactorialDesign design, FactorialCell cell)
    {
        if (File.Exists(Path.Combine(cell.Folder, "run.json")))
            return launch(["resume", cell.Folder], Log(design, cell), cancellation);
        var config = Path.Combine(design.Folder, "cells", cell.Settings.Name + ".yaml");
        AtomicFile.WriteAllText(config, SettingsWriter.ToYaml(cell.Settings));
        return launch(["train", config], Log(design, cell), cancellation);
    }

    private static string Log(FactorialDesign design, FactorialCell cell) => Path.Combine(design.Folder, "cells", cell.Settings.Name + ".log");

    /// <summary>A run of the same name that was made with other settings would be taken for this cell's.</summary>
    internal static void Foreign(FactorialCell cell)
    {
        var config = Path.Combine(cell.Folder, "config.yaml");
        if (!File.Exists(config))
            return;
        // Read, not compared as text: settings that have come to the program since have their defaults.
        var there = SettingsReader.Read<RunSettings>(config, [], (s, _) => SettingsChecks.Of(s));
        var changed = ChangedKeys.Of(cell.Settings with { Date = cell.Settings.Date ?? there.Date }, there);
        if (changed.Count > 0)
            throw new HarnessException(
                ErrorKind.RunFolder,
                $"{cell.Folder}: a run with other settings is in this cell's place",
                string.Join(", ", changed.Keys.Select(key => $"{key}={ChangedKeys.Value(there, key)}")),
                string.Join(", ", changed.Select(c => $"{c.Key}={c.Value}")),
                "take another name (name=…), or move this folder away"
            );
    }
}
