using RlHarness.Core.Errors;
using RlHarness.Core.Settings;
using RlHarness.Experiment.Corpora;
using RlHarness.Experiment.Packs;
using RlHarness.Recipes.Settings;

namespace RlHarness.Recipes.Experiments;

/// <summary>A design with the settings of all its cells, checked before anything starts.</summary>
/// <param name="Folder">Where runs, factorial.json and report.html go.</param>
public sealed record FactorialDesign(FactorialSettings Settings, string Folder, IReadOnlyList<FactorialCell> Cells)
{
    /// <summary>Combinations of levels.</summary>
    public int CellCount => Settings.Factors.Aggregate(1, (n, f) => n * f.Levels.Count);

    /// <summary>True where every factor has two levels: then effects and interactions are tested.</summary>
    public bool TwoLevels => Settings.Factors.All(f => f.Levels.Count == 2);

    /// <summary>Reads a design. Overrides whose key is the design's own change the design, the others every cell.</summary>
    /// <exception cref="HarnessException">The file, or the settings of a cell, have problems.</exception>
    public static FactorialDesign Read(string path, IReadOnlyList<string> overrides)
    {
        var (own, common) = Split<FactorialSettings>(overrides);
        return Of(SettingsReader.Read<FactorialSettings>(path, own, Problems), path, common);
    }

    /// <summary>Gives all cells one date, those that run tomorrow too: that of a cell that began already, else today's.</summary>
    public FactorialDesign Dated(DateTimeOffset now)
    {
        var begun = Cells
            .Select(c => Path.Combine(c.Folder, "config.yaml"))
            .Where(File.Exists)
            .Select(config => SettingsReader.Read<RunSettings>(config, []).Date)
            .FirstOrDefault(date => date is not null);
        return this with { Cells = [.. Cells.Select(c => c with { Settings = (c.Settings with { Date = c.Settings.Date ?? begun }).Dated(now) })] };
    }

    /// <summary>Overrides of a design's own settings, and those of its runs.</summary>
    internal static (string[] Own, string[] Runs) Split<T>(IReadOnlyList<string> overrides)
    {
        var keys = typeof(T).GetProperties().Select(p => SettingNames.Snake(p.Name)).ToHashSet(StringComparer.Ordinal);
        return ([.. overrides.Where(o => keys.Contains(o.Split('=')[0]))], [.. overrides.Where(o => !keys.Contains(o.Split('=')[0]))]);
    }

    /// <summary>A design with the settings of its cells.</summary>
    /// <param name="path">The design's file, beside which the run's settings lie.</param>
    /// <param name="overrides">Of every cell's run.</param>
    internal static FactorialDesign Of(FactorialSettings settings, string path, IReadOnlyList<string> overrides)
    {
        static bool IsOf(string key, string set) => key == set || key.StartsWith(set + ".", StringComparison.Ordinal);
        var folder = Path.Combine(settings.Output, settings.Name);
        var config = Path.Combine(Path.GetDirectoryName(Path.GetFullPath(path))!, settings.Config);
        var common = settings.Set.Concat(overrides).ToArray();
        var cells = new List<FactorialCell>();
        foreach (var (levels, cell) in Combinations(settings.Factors).Select((l, i) => (l, i)))
        {
            var name = string.Join('_', settings.Factors.Select((f, i) => $"{f.Name}-{f.Levels[levels[i]].Name}"));
            var set = settings.Factors.SelectMany((f, i) => f.Levels[levels[i]].Set).ToArray();
            // What all cells share may be without effect in some of them; what a level sets is meant for its cells.
            var run = SettingsReader.Read<RunSettings>(config, [.. common, .. set], (s, written) =>
                SettingsChecks.Of(s, written.Only(key => set.Any(o => IsOf(key, o.Split('=')[0]))))
            );
            foreach (var seed in settings.Seeds)
                cells.Add(new(cell, name, levels, seed, run with { Name = $"{name}-seed{seed}", Seed = seed, Output = folder }));
        }

        return new(settings, folder, settings.ShareImitation ? Shared(cells) : cells);
    }

    /// <summary>Gives every cell the same corpus: the conditions of all cells in equal parts.</summary>
    private static IReadOnlyList<FactorialCell> Shared(List<FactorialCell> cells)
    {
        var conditions = cells
            .Select(c => CorpusStageSettings.Imitated(c.Settings.Experiment.ToCondition(PackLibrary.Load(c.Settings.Experiment.Pack))))
            .Distinct()
            .Select(c => new WeightedCondition(c))
            .ToArray();
        return
        [
            .. cells.Select(c =>
                c.Settings.Corpus.Conditions.Count > 0
                    ? c
                    : c with
                    {
                        Settings = c.Settings with { Corpus = c.Settings.Corpus with { Conditions = conditions } },
                    }
            ),
        ];
    }

    private static IEnumerable<IReadOnlyList<int>> Combinations(IReadOnlyList<FactorSettings> factors)
    {
        IEnumerable<IReadOnlyList<int>> all =
        [
            [],
        ];
        foreach (var factor in factors)
            all = all.SelectMany(begun => Enumerable.Range(0, factor.Levels.Count).Select(level => (IReadOnlyList<int>)[.. begun, level]));
        return all;
    }

    internal static bool IsName(string name) => name.Length > 0 && name.All(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '.');

    /// <summary>What is wrong with the name and the seeds of any design.</summary>
    internal static IEnumerable<SettingsProblem> NameAndSeeds(string name, IReadOnlyList<int> seeds)
    {
        if (!IsName(name.Replace('_', '-')))
            yield return new("name", "settings", $"\"{name}\"; expected letters, digits, hyphens");
        if (seeds.Count == 0 || seeds.Distinct().Count() < seeds.Count || seeds.Any(x => x < 0))
            yield return new("seeds", "settings", $"[{string.Join(", ", seeds)}]; expected one or more, distinct, 0 or more");
    }

    private static IEnumerable<SettingsProblem> Problems(FactorialSettings s, WrittenSettings written)
    {
        SettingsProblem Problem(string key, string what) => new(key, "settings", what);
        if (s.Factors.Count is < 1 or > 6)
            yield return Problem("factors", $"{s.Factors.Count}; expected 1 to 6");
        foreach (var factor in s.Factors)
        {
            if (!IsName(factor.Name))
                yield return Problem("factors", $"name \"{factor.Name}\"; expected letters, digits, hyphens");
            if (factor.Levels.Count < 2)
                yield return Problem($"factors.{factor.Name}", $"{factor.Levels.Count} levels; expected 2 or more");
            foreach (var level in factor.Levels.Where(l => !IsName(l.Name)))
                yield return Problem($"factors.{factor.Name}", $"level \"{level.Name}\"; expected letters, digits, hyphens");
            if (factor.Levels.Select(l => l.Name).Distinct().Count() < factor.Levels.Count)
                yield return Problem($"factors.{factor.Name}", "a level's name occurs twice");
        }

        if (s.Factors.Select(f => f.Name).Distinct().Count() < s.Factors.Count)
            yield return Problem("factors", "a factor's name occurs twice");
        foreach (var problem in NameAndSeeds(s.Name, s.Seeds))
            yield return problem;
    }
}

/// <summary>
/// A factorial design: a run's settings, factors with levels, seeds. Every combination of levels is a cell, and every cell is run with every seed.
/// </summary>
public sealed record FactorialSettings
{
    [Meaning("Name of the folder below output that holds the cells' runs, factorial.json and report.html.")]
    public string Name { get; init; } = "factorial";

    [Meaning("Settings of a run that every cell starts from; a path beside this file.")]
    public string Config { get; init; } = "quickstart.yaml";

    [Meaning("Folder that the folder of the design is written to.")]
    public string Output { get; init; } = "checkpoints";

    [Meaning("key=value pairs over the run's settings, in every cell.")]
    public IReadOnlyList<string> Set { get; init; } = [];

    [Meaning("Factors of the design, 1 to 6; every combination of their levels is a cell.")]
    public IReadOnlyList<FactorSettings> Factors { get; init; } = [];

    [Meaning("Seeds are the unit of a claim: three or more.")]
    public IReadOnlyList<int> Seeds { get; init; } = [1, 2, 3];

    [Allowed(1, 64)]
    [Meaning("Cells that run at once, each a process of its own.")]
    public int Parallel { get; init; } = 1;

    [Meaning(
        "The corpus holds the conditions of all cells in equal parts, so that they share one imitating model a seed; false: each cell imitates its "
            + "own condition."
    )]
    public bool ShareImitation { get; init; } = true;
}

/// <summary>One factor of a design.</summary>
public sealed record FactorSettings
{
    [Meaning("Name of the factor, in names of cells and in tables.")]
    public string Name { get; init; } = "";

    /// <summary>Two or more; of two, the first is "absent" in the tests of effects.</summary>
    [Meaning("Two or more levels; the first of two is taken as absent, the second as present.")]
    public IReadOnlyList<LevelSettings> Levels { get; init; } = [];
}

/// <summary>One level of a factor: key=value pairs over a run's settings.</summary>
public sealed record LevelSettings
{
    [Meaning("Name of the level, in names of cells and in tables.")]
    public string Name { get; init; } = "";

    [Meaning("key=value pairs over the run's settings, in the cells of this level.")]
    public IReadOnlyList<string> Set { get; init; } = [];
}
