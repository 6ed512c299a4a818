using System.Reflection;
using System.Text.Json;
using RlHarness.Models.Loading;
using RlHarness.Recipes.Settings;

namespace RlHarness.Recipes.Tests.EndToEnd;

/// <summary>
/// Where a processor lacks what the kernels and tiles need, libtorch's own operations train the same model: whole runs both ways, with the same figures.
/// </summary>
[Trait("kind", "end to end")]
public sealed class WithoutKernelsTests : IDisposable
{
    private readonly DirectoryInfo _root = Directory.CreateTempSubdirectory("rlharness-kernels-");

    public void Dispose() => _root.Delete(recursive: true);

    [Fact]
    public void A_run_in_fp32_has_the_same_figures_with_the_kernels_and_without_them()
    {
        // Both draw the same tokens: sums in another order change a log-probability by about 1e-6, which four updates carry into the fifth digit at most.
        var settings = TinyRun.Small(_root.FullName) with { Cache = false };
        Compare(Train(settings with { Name = "with" }, kernels: true), Train(settings with { Name = "without" }, kernels: false), tolerance: 1e-4);
    }

    [Fact]
    public void Tuning_in_bfloat16_has_the_same_figures_with_the_kernels_and_without_them()
    {
        // A result is rounded to 1 part in 256, at other places on the two ways. Such a difference changes a sampled token soon, and what follows it:
        // the stages that sample nothing are compared, to 1 part in 100. Tiles need at least 64 rows and columns.
        var settings = TinyRun.Small(_root.FullName) with { Cache = false };
        settings = settings with
        {
            Rl = settings.Rl with { Steps = 1 },
            Model = settings.Model with { Precision = "bfloat16", New = settings.Model.New! with { HiddenSize = 64, IntermediateSize = 96 } },
        };
        Compare(Train(settings with { Name = "with" }, kernels: true), Train(settings with { Name = "without" }, kernels: false), tolerance: 1e-2, "rl");
    }

    private static string Train(RunSettings settings, bool kernels)
    {
        // The switch is internal to the project that has the kernels, and belongs to the thread that trains.
        var kernelType = typeof(ModelLoader).Assembly.GetTypes().Single(t => t.Name == "FusedKernels");
        var enabled = kernelType.GetProperty("Enabled", BindingFlags.NonPublic | BindingFlags.Static)!;
        enabled.SetValue(null, kernels);
        try
        {
            return new TrainRecipe(new QuietProgress(), TimeProvider.System, CancellationToken.None).Start(settings, "test");
        }
        finally
        {
            enabled.SetValue(null, true);
        }
    }

    /// <summary>Every figure of every line of metrics.jsonl: |a − b| ≤ tolerance · (1 + |a|).</summary>
    private static void Compare(string with, string without, double tolerance, string? leftOut = null)
    {
        var (expected, found) = (Figures(with, leftOut), Figures(without, leftOut));
        Assert.Contains(expected, f => f.Name.EndsWith("loss/imitation_validation", StringComparison.Ordinal));
        Assert.Contains(expected, f => f.Name.EndsWith("loss/reward_model", StringComparison.Ordinal));
        Assert.Equal(expected.Select(f => f.Name), found.Select(f => f.Name));
        Assert.All(expected.Zip(found), pair =>
            Assert.True(
                Math.Abs(pair.First.Value - pair.Second.Value) <= tolerance * (1 + Math.Abs(pair.First.Value)),
                $"{pair.First.Name}: {pair.First.Value:g9} with the kernels, {pair.Second.Value:g9} without them"
            )
        );
        // Equal to the last bit they would come from the same code.
        Assert.NotEqual(expected, found);
    }

    private static List<(string Name, double Value)> Figures(string path, string? leftOut) =>
        [
            .. File.ReadLines(Path.Combine(path, "metrics.jsonl"))
                .Select(line => JsonDocument.Parse(line).RootElement)
                .Where(row => row.GetProperty("stage").GetString() != leftOut)
                .SelectMany(row =>
                    row.EnumerateObject()
                        .Where(p => p.Value.ValueKind == JsonValueKind.Number && p.Name.Split('/')[0] is not ("timing_s" or "perf"))
                        .Select(p => ($"{row.GetProperty("stage")} {row.GetProperty("step")} {p.Name}", p.Value.GetDouble()))
                ),
        ];
}
