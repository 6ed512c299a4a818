using RlHarness.Core.Errors;
using RlHarness.Core.Runs;
using RlHarness.Recipes.Planning;
using RlHarness.Recipes.Settings;
using TorchSharp;

namespace RlHarness.Recipes.Tests.Planning;

[Trait("kind", "contract")]
public sealed class PreflightTests : IDisposable
{
    private readonly DirectoryInfo _root = Directory.CreateTempSubdirectory("rlharness-preflight-");

    private string New => Path.Combine(_root.FullName, "runs");

    public void Dispose() => _root.Delete(recursive: true);

    [Fact]
    public void A_small_run_passes_and_leaves_nothing_but_its_folder()
    {
        Preflight.Check(TinyRun.Small(New), torch.CPU);
        Assert.Empty(Directory.GetFileSystemEntries(New));
    }

    [Fact]
    public void A_model_that_no_memory_holds_is_refused_before_anything_is_written()
    {
        var settings = new RunSettings
        {
            Output = New,
            Model = new()
            {
                New = new()
                {
                    HiddenSize = 16384,
                    IntermediateSize = 65536,
                    NumHiddenLayers = 256,
                },
            },
        };
        var error = Assert.Throws<HarnessException>(() => Preflight.Check(settings, torch.CPU));
        Assert.Equal(ErrorKind.Resource, error.Kind);
        Assert.Contains("memory", error.Message, StringComparison.Ordinal);
        Assert.False(Directory.Exists(New));
    }

    [Fact]
    public void Checkpoints_that_no_disk_holds_are_refused()
    {
        var settings = new RunSettings
        {
            Output = New,
            Model = new()
            {
                New = new()
                {
                    HiddenSize = 512,
                    IntermediateSize = 2048,
                    NumHiddenLayers = 8,
                },
            },
            Rl = new() { KeepCheckpoints = 1000 },
        };
        var plan = RunPlan.Of(settings);
        var (memory, disk) = (plan.MemoryGiB, plan.DiskGiB);
        Assert.SkipWhen(
            ProcessMemory.AvailableGiB() < memory,
            $"The check of memory fails before the check of the disk: run the test where {memory:f0} GiB of memory are free."
        );
        Assert.SkipWhen(
            new DriveInfo(_root.FullName).AvailableFreeSpace / (double)(1 << 30) > disk,
            $"The disk is too large to be too small: set TMPDIR to a disk with less than {disk:f0} GiB free."
        );
        var error = Assert.Throws<HarnessException>(() => Preflight.Check(settings, torch.CPU));
        Assert.Equal(ErrorKind.Resource, error.Kind);
        Assert.Contains("disk", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("")]
    [InlineData("below")]
    public void An_output_that_is_a_file_is_refused_in_words(string below)
    {
        var file = Path.Combine(_root.FullName, "file");
        File.WriteAllText(file, "mine");
        var error = Assert.Throws<HarnessException>(() => Preflight.Check(TinyRun.Small(Path.Combine(file, below)), torch.CPU));
        Assert.Equal(ErrorKind.Resource, error.Kind);
        Assert.Contains(file, error.Message, StringComparison.Ordinal);
        Assert.Equal("mine", File.ReadAllText(file));
    }

    [Fact]
    public void A_model_that_is_nowhere_is_named_with_the_places_looked_at()
    {
        var error = Assert.Throws<HarnessException>(() => Preflight.Check(TinyRun.Small(New) with { Model = new() { Path = "no-such-model" } }, torch.CPU));
        Assert.Equal(ErrorKind.BadFile, error.Kind);
        Assert.Contains(Path.Combine("..", "shared", "models", "no-such-model"), error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Parameters_are_counted_by_hand()
    {
        // 500 · 32 embeddings + 2 layers · (q and o 2 · 32², k and v 2 · 32 · 16, feed-forward 3 · 32 · 48, two norms) + the last norm
        Assert.Equal(16000 + 2 * (2048 + 1024 + 4608 + 64) + 32, RunPlan.Of(TinyRun.Small(New)).Parameters);
    }
}
