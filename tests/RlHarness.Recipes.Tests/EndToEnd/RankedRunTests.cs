using RlHarness.Core.Errors;
using RlHarness.Core.Runs;
using RlHarness.Recipes.Settings;
using RlHarness.Tests;
using RlHarness.Tracking.Store;
using RlHarness.Training.Collectives;

namespace RlHarness.Recipes.Tests.EndToEnd;

/// <summary>
/// Whole runs whose work several ranks share, threads of this process in place of processes: every stage, counts that no number of ranks divides, stops and
/// resumes. The witness is the run of one process. scripts/e2e/mpi does the same with both MPIs.
/// </summary>
[Trait("kind", "slow")]
public sealed class RankedRunTests(ITestOutputHelper output) : IDisposable
{
    /// <summary>Of a metric, over its size or 1.</summary>
    private const double Bound = 1e-6;

    /// <summary>Where a run went on over another number of ranks, two orders of summing follow each other: 2.1e-6 was seen, of a norm of gradients.</summary>
    private const double AfterChange = 4e-6;

    /// <summary>
    /// Differences of two sums of log-probabilities, each as large as the entropy's estimate: their scale is that sum. fp32 rounds a log-probability of 4 nats
    /// or more to 5e-7.
    /// </summary>
    private static readonly string[] OfLogprobs = ["objective/kl", "objective/non_score_reward", "objective/rlhf_reward"];

    private readonly DirectoryInfo _root = Directory.CreateTempSubdirectory("rlharness-ranks-");

    public void Dispose() => _root.Delete(recursive: true);

    /// <summary>All stages; 7 prompts in 2 minibatches, 5 queries, batches of 7.</summary>
    private RunSettings Odd(string name)
    {
        var small = TinyRun.Small(_root.FullName);
        return small with
        {
            Name = name,
            Cache = false,
            Stages = ["corpus", "documents", "imitate", "reward", "rl"],
            Documents = new()
            {
                Count = 40,
                SequenceLength = 48,
                Epochs = 0.3,
                BatchSize = 7,
            },
            Imitate = small.Imitate with { BatchSize = 7, Epochs = 0.4 },
            Reward = small.Reward with { BatchSize = 7, Epochs = 1 },
            Rl = small.Rl with { PromptsPerStep = 7 },
            Evaluate = small.Evaluate with { Queries = 5 },
        };
    }

    private static string[] Train(int ranks, RunSettings settings) =>
        ThreadRanks.Run(ranks, r => new TrainRecipe(new QuietProgress(), TimeProvider.System, CancellationToken.None, r).Start(settings, "test"));

    private string Alone(string name) => new TrainRecipe(new QuietProgress(), TimeProvider.System, CancellationToken.None).Start(Odd(name), "test");

    [Fact]
    public void The_number_of_ranks_changes_no_token_and_no_metric_but_for_rounding()
    {
        var alone = Alone("alone");
        foreach (var size in new[] { 2, 3 })
        {
            var paths = Train(size, Odd($"of{size}"));
            Assert.Equal(Path.Combine(_root.FullName, $"of{size}"), Path.GetFullPath(Assert.Single(paths.Distinct())));
            Same(alone, paths[0]);
            using var store = RunStore.OpenReadOnly(Path.Combine(paths[0], "run.db"));
            Assert.All(store.Stages(), s => Assert.Equal("done", s.Status));
            var shares = store.Metrics().Where(m => m.Name == "perf/communication_share").ToArray();
            Assert.NotEmpty(shares);
            Assert.All(shares, m => Assert.InRange(m.Value, 0, 1));
            Assert.Contains($"\"ranks\": {size}", File.ReadAllText(Path.Combine(paths[0], "run.json")), StringComparison.Ordinal);
            Assert.True(File.Exists(Path.Combine(paths[0], "logs", $"attempt_1_rank_{size - 1}.jsonl")));
            Assert.False(Directory.Exists(Path.Combine(paths[0], ".ranks")));
        }
    }

    [Theory]
    [InlineData("imitate", "step", 3, 1)]
    [InlineData("rl", "step", 3, 3)]
    [InlineData("rl", "evaluating step 2", 3, 2)]
    public void What_two_ranks_saved_goes_on_with_one_or_three(string stage, string unit, int done, int step)
    {
        var alone = Alone("alone");
        foreach (var size in new[] { 1, 3 })
        {
            // Moments on one rank each are written as those of one process.
            var settings = Odd($"then{size}") with { ShardOptimizer = size == 3 };
            using var stop = new CancellationTokenSource();
            // The second rank alone is asked to stop; both do.
            var stopped = ThreadRanks.Run(
                2,
                r =>
                {
                    var progress = new QuietProgress(
                        (s, u, d) =>
                        {
                            if (s == stage && u == unit && d >= done)
                                stop.Cancel();
                        }
                    );
                    return Assert.Throws<RunStoppedException>(() => new TrainRecipe(progress, TimeProvider.System, default, r).Start(settings, "test"));
                },
                rank => rank == 1 ? stop.Token : CancellationToken.None
            );
            Assert.All(stopped, s => Assert.Equal(Path.Combine(_root.FullName, settings.Name), s.Folder));
            var path = stopped[0].Folder;
            var folder = stage == "rl" ? Path.Combine(path, "rl") : Path.Combine(path, "progress", stage);
            Assert.True(CheckpointFolder.Newest(folder)!.Value.Step >= step);
            ThreadRanks.Run(size, r => new TrainRecipe(new QuietProgress(), TimeProvider.System, default, r).Resume(path));
            Same(alone, path, AfterChange);
        }
    }

    [Fact]
    public void Ranks_with_other_settings_and_more_ranks_than_prompts_are_refused_by_all_of_them()
    {
        var errors = ThreadRanks.Run(
            3,
            r =>
                Assert.Throws<HarnessException>(() =>
                    new TrainRecipe(new QuietProgress(), TimeProvider.System, default, r).Start(Odd("mixed") with { Seed = r.Rank == 2 ? 7 : 1 }, "test")
                )
        );
        Assert.All(errors, e => Assert.StartsWith("rank 2 of 3 was started with other settings than rank 0", e.Message, StringComparison.Ordinal));
        Assert.All(errors, e => Assert.Contains("seed=7", e.Message, StringComparison.Ordinal));
        var small = Odd("many");
        var many = Assert.Throws<HarnessException>(() => Train(4, small with { Rl = small.Rl with { PromptsPerStep = 3, Minibatches = 1 } }));
        Assert.StartsWith("more ranks than prompts of a step", many.Message, StringComparison.Ordinal);
        Assert.Empty(_root.GetFileSystemInfos());
    }

    [Fact]
    public void A_run_is_evaluated_by_ranks_as_by_one_process()
    {
        var path = Alone("alone");
        (string Key, double Value)[] Evaluated(Func<string> evaluate)
        {
            using var store = RunStore.OpenReadOnly(Path.Combine(evaluate(), "run.db"));
            return
            [
                .. store
                    .Metrics()
                    .Where(m => m.Stage == EvaluateRecipe.Stage && !m.Name.StartsWith("perf/", StringComparison.Ordinal) && m.Name != "timing_s/evaluate")
                    .Select(m => (m.Name, m.Value))
                    .OrderBy(m => m.Name, StringComparer.Ordinal),
            ];
        }

        string[] more = ["evaluate.queries=7"];
        var one = Evaluated(() => new EvaluateRecipe(new QuietProgress(), TimeProvider.System, default).OfRun(path, more));
        var three = Evaluated(() =>
            ThreadRanks.Run(3, r => new EvaluateRecipe(new QuietProgress(), TimeProvider.System, default, r).OfRun(path, more))[0]
        );
        Assert.NotEmpty(one);
        Assert.Equal(one, three);
    }

    private void Same(string expected, string found, double bound = Bound)
    {
        using var a = RunStore.OpenReadOnly(Path.Combine(expected, "run.db"));
        using var b = RunStore.OpenReadOnly(Path.Combine(found, "run.db"));
        string[] Tokens(RunStore store) => [.. store.Transcripts().Select(t => $"{t.Id} {string.Join(",", t.TokenIds!)}").Order(StringComparer.Ordinal)];
        Dictionary<(string Stage, long Step, string Name), double> Metrics(RunStore store) =>
            store
                .Metrics()
                .Where(m => !m.Name.StartsWith("perf/", StringComparison.Ordinal) && !m.Name.StartsWith("timing_s/", StringComparison.Ordinal))
                .ToDictionary(m => (m.Stage, m.Step, m.Name), m => m.Value);
        Assert.Equal(Tokens(a), Tokens(b));
        var (one, other) = (Metrics(a), Metrics(b));
        Assert.Equal(one.Keys.Order(), other.Keys.Order());
        Assert.Contains(one.Keys, k => k.Stage == "documents");
        var off = one.Keys.Select(key => (Key: key, Error: Error(key))).MaxBy(m => m.Error);
        output.WriteLine($"{Path.GetFileName(found)}: {one.Count} metrics off by at most {off.Error:e2} ({off.Key})");
        Assert.True(off.Error <= bound, $"{off.Key} is off by {off.Error:e2}");

        double Error((string Stage, long Step, string Name) key)
        {
            var (x, y) = (one[key], other[key]);
            if (double.IsNaN(x) && double.IsNaN(y))
                return 0;
            var scale = OfLogprobs.Contains(key.Name) ? one[(key.Stage, key.Step, "objective/entropy")] : x;
            return Math.Abs(x - y) / Math.Max(1, Math.Abs(scale));
        }
    }
}
