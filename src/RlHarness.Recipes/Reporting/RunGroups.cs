using RlHarness.Core.Errors;
using RlHarness.Core.Runs;
using RlHarness.Core.Settings;
using RlHarness.Recipes.Running;
using RlHarness.Recipes.Settings;

namespace RlHarness.Recipes.Reporting;

/// <summary>One run of a folder and what it is a run of.</summary>
/// <param name="Folder">The run's folder.</param>
/// <param name="Group">
/// What its group differs in from the others, by settings (<c>rl.kl_coefficient=0.2</c>); runs of one group differ by their seed alone.
/// </param>
/// <param name="Seed">Null where the run's settings can't be read and its name has none.</param>
public sealed record GroupedRun(string Folder, string Group, int? Seed);

/// <summary>
/// Groups the runs of a folder by what their settings differ in, whatever the runs are called. Where a run is, how it is called, when it ran, and what changes
/// no number do not count. Two runs of the same settings and seed are not two observations: the second one is a group of its own.
/// </summary>
public static class RunGroups
{
    /// <summary>More settings than these are not listed; then the names of the runs say what they are.</summary>
    private const int LongestLabel = 90;

    /// <param name="runs">Folders of runs.</param>
    /// <returns>The runs, group by group; groups by their label, runs by their seed.</returns>
    public static IReadOnlyList<GroupedRun> Of(IReadOnlyList<string> runs)
    {
        ArgumentNullException.ThrowIfNull(runs);
        var read = runs.Select(folder => (Folder: folder, Settings: Read(folder))).ToArray();
        var known = read.Where(r => r.Settings is not null).Select(r => (r.Folder, Settings: r.Settings!)).ToArray();
        // Which settings differ at all: in any run from the first.
        var keys = known
            .Skip(1)
            .SelectMany(r => ChangedKeys.Of(r.Settings, known[0].Settings).Keys)
            .Where(RunChanges.ChangesNumbers)
            .Distinct()
            .Order(StringComparer.Ordinal)
            .ToArray();
        var groups = known
            .GroupBy(r => string.Join('\n', keys.Select(k => $"{k}={ChangedKeys.Value(r.Settings, k)}")))
            .Select(g => (Runs: g.OrderBy(r => r.Settings.Seed).ThenBy(r => r.Folder, StringComparer.Ordinal).ToArray(), Differs: g.Key))
            .ToArray();
        var named = groups.Select(g => (g.Runs, g.Differs, Name: CommonName(g.Runs.Select(r => r.Folder)))).ToArray();
        var result = new List<GroupedRun>();
        foreach (var (own, differs, name) in named)
        {
            // What every group has alike need not be said; of a single group its runs' own name is enough.
            var settings = Label(differs);
            var label = named.Length == 1 ? name : settings.Length is > 0 and <= LongestLabel ? settings : name;
            if (named.Length > 1 && label == name && named.Count(o => o.Name == name) > 1)
                label = $"{name}: {settings}";
            var seeds = new HashSet<int>();
            foreach (var run in own)
                result.Add(new(run.Folder, seeds.Add(run.Settings.Seed) ? label : $"{label} (again: {RunFolder.NameOf(run.Folder)})", run.Settings.Seed));
        }

        result.AddRange(read.Where(r => r.Settings is null).Select(r => ByName(r.Folder)));
        return [.. result.OrderBy(r => r.Group, StringComparer.Ordinal).ThenBy(r => r.Seed)];
    }

    private static string Label(string differs) => string.Join(", ", differs.Split('\n', StringSplitOptions.RemoveEmptyEntries));

    /// <summary>The beginning that all names share, without a seed at its end.</summary>
    private static string CommonName(IEnumerable<string> folders)
    {
        string[] names = [.. folders.Select(f => ByName(f).Group)];
        var common = names.Aggregate((a, b) => a[..a.AsSpan().CommonPrefixLength(b)]).TrimEnd('-', '_', '.');
        return common.Length > 0 ? common : names[0];
    }

    /// <summary>A run whose settings can't be read: its name without <c>-seedN</c>.</summary>
    private static GroupedRun ByName(string folder)
    {
        var name = RunFolder.NameOf(folder);
        var at = name.LastIndexOf("-seed", StringComparison.Ordinal);
        return at > 0 && int.TryParse(name[(at + 5)..], out var seed) ? new(folder, name[..at], seed) : new(folder, name, null);
    }

    private static RunSettings? Read(string folder)
    {
        var config = Path.Combine(folder, "config.yaml");
        try
        {
            return File.Exists(config) ? SettingsReader.Read<RunSettings>(config, []) : null;
        }
        catch (HarnessException)
        {
            return null;
        }
    }
}
