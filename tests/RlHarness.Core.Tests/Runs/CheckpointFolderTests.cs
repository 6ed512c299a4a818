using RlHarness.Core.Errors;
using RlHarness.Core.Runs;

namespace RlHarness.Core.Tests.Runs;

[Trait("kind", "contract")]
public class CheckpointFolderTests
{
    private static string Step(TemporaryFolder folder, int step, int keep = 2) => CheckpointFolder.WriteStep(folder.At("rl"), step, keep, aside =>
        {
            File.WriteAllText(Path.Combine(aside, "weights"), $"weights of {step}");
            Directory.CreateDirectory(Path.Combine(aside, "sub"));
            File.WriteAllText(Path.Combine(aside, "sub", "state"), $"state of {step}");
        });

    [Fact]
    public void A_checkpoint_verifies_as_long_as_no_file_of_it_changes()
    {
        using var folder = new TemporaryFolder();
        var path = Step(folder, 5);
        Assert.Equal("step_000005", Path.GetFileName(path));
        CheckpointFolder.Verify(path);
        var weights = Path.Combine(path, "weights");
        File.WriteAllText(weights, "weights of 6");
        Assert.Contains("was changed", Refused(path), StringComparison.Ordinal);
        File.WriteAllText(weights, "weights");
        Assert.Contains("was changed", Refused(path), StringComparison.Ordinal);
        File.WriteAllText(weights, "weights of 5");
        CheckpointFolder.Verify(path);
        File.Delete(Path.Combine(path, "sub", "state"));
        Assert.Contains("is missing", Refused(path), StringComparison.Ordinal);
        File.Delete(Path.Combine(path, CheckpointFolder.Manifest));
        Assert.False(CheckpointFolder.IsSealed(path));
        Assert.Contains("not a sealed checkpoint", Refused(path), StringComparison.Ordinal);
    }

    [Fact]
    public void The_manifest_holds_the_sha_256_of_each_file()
    {
        using var folder = new TemporaryFolder();
        var empty = folder.Write("empty", "");
        // SHA-256 of nothing, FIPS 180-4's well-known value.
        Assert.Equal("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", CheckpointFolder.HashOf(empty));
        Assert.Contains("\"sub/state\"", File.ReadAllText(Path.Combine(Step(folder, 1), CheckpointFolder.Manifest)), StringComparison.Ordinal);
    }

    [Fact]
    public void Only_the_newest_are_kept_and_latest_names_the_newest()
    {
        using var folder = new TemporaryFolder();
        Assert.Null(CheckpointFolder.Newest(folder.At("rl")));
        foreach (var step in new[] { 1, 2, 3 })
            Step(folder, step);
        Assert.Equal(["step_000002", "step_000003"], Directory.GetDirectories(folder.At("rl")).Select(p => Path.GetFileName(p)!).Order());
        Assert.Equal("step_000003", File.ReadAllText(folder.At("rl", CheckpointFolder.Latest)).Trim());
        Assert.Equal(3, CheckpointFolder.Newest(folder.At("rl"))!.Value.Step);
    }

    [Fact]
    public void The_newest_is_the_one_that_latest_names_and_the_highest_whole_one_without_it()
    {
        using var folder = new TemporaryFolder();
        Step(folder, 1);
        Step(folder, 2);
        File.WriteAllText(folder.At("rl", CheckpointFolder.Latest), "step_000001\n");
        Assert.Equal(1, CheckpointFolder.Newest(folder.At("rl"))!.Value.Step);
        File.Delete(folder.At("rl", CheckpointFolder.Latest));
        // Folders without a manifest or with a foreign name are not checkpoints.
        Directory.CreateDirectory(folder.At("rl", "step_000009"));
        Directory.CreateDirectory(folder.At("rl", "step_x"));
        Assert.Equal(2, CheckpointFolder.Newest(folder.At("rl"))!.Value.Step);
    }

    [Fact]
    public void A_write_that_fails_leaves_the_older_folder_whole()
    {
        using var folder = new TemporaryFolder();
        var path = Step(folder, 1);
        Assert.Throws<InvalidOperationException>(() => CheckpointFolder.Write(path, aside =>
            {
                File.WriteAllText(Path.Combine(aside, "weights"), "half");
                throw new InvalidOperationException();
            }));
        CheckpointFolder.Verify(path);
        Assert.Single(Directory.GetDirectories(folder.At("rl")));
    }

    [Fact]
    public void Writing_again_replaces_the_folder_and_what_a_crash_left_beside_it()
    {
        using var folder = new TemporaryFolder();
        Directory.CreateDirectory($"{folder.At("out")}.{Environment.ProcessId}.tmp");
        CheckpointFolder.Write(folder.At("out"), aside => File.WriteAllText(Path.Combine(aside, "a"), "1"));
        CheckpointFolder.Write(folder.At("out"), aside => File.WriteAllText(Path.Combine(aside, "b"), "2"));
        Assert.False(File.Exists(folder.At("out", "a")));
        CheckpointFolder.Verify(folder.At("out"));
    }

    [Fact]
    public void A_cached_stage_is_found_by_its_whole_key_and_copied_sealed()
    {
        using var folder = new TemporaryFolder();
        var cache = new StageCache(folder.At("cache"));
        var key = new string('a', 63) + "b";
        var source = Step(folder, 1);
        Assert.False(cache.Has("imitate", key));
        cache.Add("imitate", key, source);
        Assert.True(cache.Has("imitate", key));
        Assert.False(cache.Has("reward", key));
        Assert.False(cache.Has("imitate", new string('b', 64)));
        cache.CopyTo("imitate", key, folder.At("run", "imitate"));
        CheckpointFolder.Verify(folder.At("run", "imitate"));
        Assert.Equal("state of 1", File.ReadAllText(folder.At("run", "imitate", "sub", "state")));
    }

    private static string Refused(string path)
    {
        var error = Assert.Throws<HarnessException>(() => CheckpointFolder.Verify(path));
        Assert.Equal(ErrorKind.BadFile, error.Kind);
        return error.Message;
    }
}
