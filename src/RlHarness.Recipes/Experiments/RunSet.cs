using RlHarness.Core.Errors;
using RlHarness.Core.Files;
using RlHarness.Core.Runs;
using RlHarness.Core.Settings;
using RlHarness.Recipes.Running;
using RlHarness.Recipes.Settings;

namespace RlHarness.Recipes.Experiments;

/// <summary>Runs that are started together, each a process of its own: one, the same with several seeds, or the cells of a design.</summary>
/// <param name="Name">Name of the run, or of the folder that holds the runs.</param>
/// <param name="Folder">Where the runs' folders are.</param>
/// <param name="Command">The subcommand of `experiment` whose design it is; null where it is none.</param>
/// <param name="Runs">Settings of each; of a design or of several seeds, all with one date, whatever day they begin.</param>
public sealed record RunSet(string Name, string Folder, string? Command, IReadOnlyList<RunSettings> Runs)
{
    /// <summary>Reads a run's settings or a design, whichever the file is.</summary>
    /// <param name="path">The file.</param>
    /// <param name="overrides">key=value pairs over it.</param>
    /// <param name="seeds">Seeds to run it with; null: those that the file names.</param>
    /// <param name="now">The date of runs that have none.</param>
    /// <exception cref="HarnessException">The file, or the settings of a run, have problems.</exception>
    public static RunSet Read(string path, IReadOnlyList<string> overrides, IReadOnlyList<int>? seeds, DateTimeOffset now)
    {
        ArgumentNullException.ThrowIfNull(overrides);
        string[] pairs = [.. overrides, .. seeds is null ? [] : (string[])[$"seeds=[{string.Join(", ", seeds)}]"]];
        switch (CommandOf(path))
        {
            case "factorial":
                return Of(FactorialDesign.Read(path, pairs), "factorial", now);
            case "interventions":
                return Of(InterventionSettings.Read(path, pairs), "interventions", now);
        }

        var run = SettingsReader.Read<RunSettings>(path, overrides, SettingsChecks.Of);
        if (seeds is null)
            return new(run.Name, run.Output, null, [run]);
        if (seeds.Count == 0 || seeds.Distinct().Count() < seeds.Count || seeds.Any(s => s < 0))
            throw new HarnessException(ErrorKind.BadInput, "the seeds of an array", $"[{string.Join(", ", seeds)}]", "one or more, distinct, 0 or more");
        // One factor of one level: its cells are the seeds.
        var folder = Path.Combine(run.Output, run.Name);
        var cells = seeds.Select(s => new FactorialCell(0, run.Name, [], s, run with { Name = $"{run.Name}-seed{s}", Seed = s, Output = folder }));
        return Of(
            new(
                new()
                {
                    Name = run.Name,
                    Output = run.Output,
                    Seeds = seeds,
                },
                folder,
                [.. cells]
            ),
            null,
            now
        );
    }

    /// <summary>
    /// Those that go first, and those that wait for them: the first run of a seed makes the models that the others of that seed take from the cache.
    /// </summary>
    /// <param name="isFinished">Whether a run needs no process any more.</param>
    public (IReadOnlyList<RunSettings> First, IReadOnlyList<RunSettings> Later) Waves(Func<RunSettings, bool> isFinished)
    {
        var pending = Runs.Where(r => !isFinished(r)).ToList();
        var led = Runs.Except(pending).Select(r => r.Seed).ToHashSet();
        RunSettings[] first = [.. pending.Where(r => !led.Contains(r.Seed)).GroupBy(r => r.Seed).Select(g => g.First())];
        RunSettings[] later = [.. pending.Except(first)];
        return first.Length == 0 ? (later, []) : (first, later);
    }

    /// <summary>That no folder of these runs holds one with other settings, which a job would find out alone, hours later.</summary>
    /// <exception cref="HarnessException">One does: its keys are named.</exception>
    public void RequireSame()
    {
        foreach (var run in Runs)
            if (Path.Combine(Folder, run.Name) is var path && RunFolder.IsRun(path))
                RunChanges.Same(path, run);
    }

    private static RunSet Of(FactorialDesign design, string? command, DateTimeOffset now) =>
        new(design.Settings.Name, design.Folder, command, [.. design.Dated(now).Cells.Select(c => c.Settings)]);

    private static string? CommandOf(string path)
    {
        // Whoever reads it for good says that it is missing.
        if (!File.Exists(path))
            return null;
        var (kind, _) = SettingsReader.Examine<EitherKind>(path, TextFile.Read(path, "a settings file", 16L << 20));
        return kind.Factors.Count > 0 ? "factorial"
            : kind.Arms.Count > 0 ? "interventions"
            : null;
    }

    private sealed record EitherKind
    {
        public IReadOnlyList<FactorSettings> Factors { get; init; } = [];

        public IReadOnlyList<LevelSettings> Arms { get; init; } = [];
    }
}
