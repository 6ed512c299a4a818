using RlHarness.Core.Runs;
using RlHarness.Recipes.Planning;
using RlHarness.Recipes.Running;
using RlHarness.Recipes.Settings;
using RlHarness.Recipes.Stages;
using TorchSharp;

namespace RlHarness.Recipes.Experiments;

/// <summary>What the runs of a design need and cost together, before any has started.</summary>
/// <param name="Runs">All runs, in the order of the design.</param>
public sealed record DesignPlan(IReadOnlyList<DesignPlan.PlannedRun> Runs)
{
    private static readonly string[] Order = [StageNames.Corpus, StageNames.Documents, StageNames.Imitate, StageNames.Reward, StageNames.Rl];

    /// <param name="Finished">Done before: it costs nothing any more.</param>
    /// <param name="FromCache">Stages that it takes from the cache: another run of the design makes them, or one made them before.</param>
    public sealed record PlannedRun(RunSettings Settings, RunPlan Plan, bool Finished, IReadOnlySet<string> FromCache);

    /// <summary>One stage of all runs that are to be run.</summary>
    /// <param name="Computed">Runs that compute it.</param>
    /// <param name="FromCache">Runs that take it from the cache.</param>
    /// <param name="Tokens">That models read or write, over all runs.</param>
    /// <param name="Seconds">One run after the other.</param>
    /// <param name="MemoryGiB">Of the run that needs most.</param>
    /// <param name="DiskGiB">What stays, over all runs.</param>
    public sealed record Stage(string Name, int Computed, int FromCache, double Tokens, double Seconds, double MemoryGiB, double DiskGiB);

    /// <summary>Plans every run. Which runs share a stage is decided by the keys of the stage cache, as when they run.</summary>
    public static DesignPlan Of(FactorialDesign design, DeviceType device)
    {
        ArgumentNullException.ThrowIfNull(design);
        var made = new HashSet<string>(StringComparer.Ordinal);
        var runs = new List<PlannedRun>();
        var plans = new Dictionary<int, RunPlan>();
        foreach (var cell in design.Cells)
        {
            var settings = cell.Settings;
            var finished = FactorialRecipe.IsFinished(cell);
            var fromCache = new HashSet<string>(StringComparer.Ordinal);
            var cache = new StageCache(Path.Combine(settings.Output, "cache"));
            foreach (var (stage, key) in Keys(StageInputs.Of(settings, device)))
                if (!made.Add(stage + key) || finished || cache.Has(stage, key))
                    fromCache.Add(stage);
            // Seeds of a cell cost the same.
            if (!plans.TryGetValue(cell.Cell, out var plan))
                plans[cell.Cell] = plan = RunPlan.Of(settings);
            runs.Add(new(settings, plan, finished, fromCache));
        }

        return new(runs);
    }

    /// <summary>Runs that are not finished.</summary>
    public IEnumerable<PlannedRun> ToRun => Runs.Where(r => !r.Finished);

    /// <summary>The sums over runs that are to be run, by stage, in the stages' order.</summary>
    /// <param name="speed">Speed of the matrix product in a run, in operations a second.</param>
    public IReadOnlyList<Stage> Stages(Func<RunSettings, double> speed)
    {
        ArgumentNullException.ThrowIfNull(speed);
        var stages = ToRun.SelectMany(r => r.Plan.Stages.Select(s => (Run: r, Stage: s, Cached: r.FromCache.Contains(s.Name))));
        return
        [
            .. stages
                .GroupBy(s => s.Stage.Name)
                .OrderBy(g => Array.IndexOf(Order, g.Key))
                .Select(g => new Stage(
                    g.Key,
                    g.Count(s => !s.Cached),
                    g.Count(s => s.Cached),
                    g.Sum(s => s.Cached ? 0 : s.Stage.Tokens),
                    g.Sum(s => s.Cached ? 0 : s.Stage.Seconds(speed(s.Run.Settings))),
                    g.Max(s => s.Stage.MemoryGiB),
                    // A stage that is computed lies in the run's folder and in the cache; one that is taken from there, in the run's folder.
                    g.Sum(s => s.Cached ? s.Stage.DiskGiB / 2 : s.Stage.DiskGiB)
                )),
        ];
    }

    private static IEnumerable<(string Stage, string Key)> Keys(StageInputs run)
    {
        var s = run.Settings;
        if (!s.Cache)
            yield break;
        if (s.Stages.Contains(StageNames.Documents) && !DocumentsStage.Evaluates(s))
            yield return (StageNames.Documents, DocumentsStage.Key(run));
        if (s.Stages.Contains(StageNames.Imitate))
            yield return (StageNames.Imitate, ImitateStage.Key(run));
        if (s.Stages.Contains(StageNames.Reward))
            yield return (StageNames.Reward, RewardStage.Key(run));
    }
}
