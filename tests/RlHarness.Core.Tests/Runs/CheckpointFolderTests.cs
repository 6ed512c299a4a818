using RlHarness.Core.Errors;
using RlHarness.Core.Files;
using RlHarness.Core.Runs;

namespace RlHarness.Core.Tests.Runs;

[Trait("kind", "contract")]
public class CheckpointFolderTests
{
    private static string Step(TemporaryFolder folder, int step, int keep = 2) =>
        CheckpointFolder.WriteStep(
            folder.At("rl"),
            step,
            steps => steps.TakeLast(keep),
            aside =>
            {
                File.WriteAllText(Path.Combine(aside, "weights"), $"weights of {step}");
                Directory.CreateDirectory(Path.Combine(aside, "sub"));
                File.WriteAllText(Path.Combine(aside, "sub", "state"), $"state of {step}");
            }
        );

    [Fact]
    public void A_file_that_can_t_be_sealed_is_told_as_what_it_is_and_leaves_nothing()
    {
        using var folder = new TemporaryFolder();
        Assert.ThrowsAny<IOException>(() =>
            CheckpointFolder.Write(folder.At("a"), aside => File.CreateSymbolicLink(Path.Combine(aside, "weights"), folder.At("nowhere")))
        );
        Assert.Empty(Directory.EnumerateFileSystemEntries(folder.Path));
    }

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
        Directory.CreateDirectory(folder.At("rl", "step_x"));
        Assert.Equal(2, CheckpointFolder.Newest(folder.At("rl"))!.Value.Step);
    }

    [Theory]
    [InlineData("weights cut")]
    [InlineData("weights gone")]
    [InlineData("manifest cut")]
    [InlineData("manifest empty")]
    [InlineData("manifest gone")]
    [InlineData("folder gone")]
    public void A_damaged_newest_checkpoint_is_named_with_the_newest_that_is_whole(string damage)
    {
        using var folder = new TemporaryFolder();
        foreach (var step in new[] { 1, 2, 3, 4 })
            Step(folder, step, keep: 9);
        foreach (var step in new[] { 3, 4 })
        {
            var path = folder.At("rl", CheckpointFolder.StepName(step));
            var (weights, manifest) = (Path.Combine(path, "weights"), Path.Combine(path, CheckpointFolder.Manifest));
            switch (damage)
            {
                case "weights cut":
                    File.WriteAllText(weights, "weigh");
                    break;
                case "weights gone":
                    File.Delete(weights);
                    break;
                case "manifest cut":
                    File.WriteAllText(manifest, File.ReadAllText(manifest)[..20]);
                    break;
                case "manifest empty":
                    File.WriteAllText(manifest, "");
                    break;
                case "manifest gone":
                    File.Delete(manifest);
                    break;
                default:
                    Directory.Delete(path, recursive: true);
                    break;
            }
        }

        var error = Assert.Throws<HarnessException>(() => CheckpointFolder.Open(folder.At("rl")));
        Assert.Equal(ErrorKind.BadFile, error.Kind);
        Assert.Contains("step_000004", error.Message, StringComparison.Ordinal);
        Assert.Contains("the newest checkpoint that is whole is step_000002", error.Message, StringComparison.Ordinal);
        Assert.Contains("--from 2", error.Message, StringComparison.Ordinal);
        Assert.Equal(2, CheckpointFolder.Open(folder.At("rl"), from: 2)!.Value.Step);
        CheckpointFolder.GoBack(folder.At("rl"), 2);
        Assert.Equal([1, 2], CheckpointFolder.Steps(folder.At("rl")));
        Assert.Equal(2, CheckpointFolder.Open(folder.At("rl"))!.Value.Step);
    }

    [Fact]
    public void A_step_that_is_not_there_is_refused_with_one_that_is()
    {
        using var folder = new TemporaryFolder();
        Step(folder, 1);
        var error = Assert.Throws<HarnessException>(() => CheckpointFolder.Open(folder.At("rl"), from: 7));
        Assert.Contains("step_000007: the folder is missing", error.Message, StringComparison.Ordinal);
        Assert.Contains("--from 1", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void What_killed_processes_left_half_written_is_swept_and_a_folder_that_was_to_be_replaced_comes_back()
    {
        using var folder = new TemporaryFolder();
        var path = Step(folder, 1);
        // A process was killed between moving the old folder away and moving the new one in, and another while it wrote a file.
        Directory.Move(path, AtomicFile.Aside(path + ".old"));
        Directory.CreateDirectory(AtomicFile.Aside(path));
        folder.Write("rl/latest.elsewhere-12.tmp", "step_00");
        folder.Write("notes.tmp", "somebody's own");
        // This process lives: nothing of its own is taken from it.
        Assert.Empty(AtomicFile.Sweep(folder.Path, everyone: false));
        Assert.Equal(3, AtomicFile.Sweep(folder.Path, everyone: true).Count);
        CheckpointFolder.Verify(path);
        Assert.Equal(["notes.tmp"], Directory.GetFileSystemEntries(folder.Path, "*.tmp", SearchOption.AllDirectories).Select(f => Path.GetFileName(f)!));
    }

    [Theory]
    [InlineData("weights", "was changed")]
    [InlineData("sub/state", "is missing")]
    [InlineData("manifest.json", "the manifest is cut or damaged")]
    public void A_damaged_entry_of_the_cache_is_named_and_nothing_is_copied(string file, string said)
    {
        using var folder = new TemporaryFolder();
        var cache = new StageCache(folder.At("cache"));
        var key = new string('c', 64);
        cache.Add("imitate", key, Step(folder, 1));
        var damaged = Path.Combine(cache.PathOf("imitate", key), file);
        if (said == "is missing")
            File.Delete(damaged);
        else
            File.WriteAllText(damaged, "{");
        var error = Assert.Throws<HarnessException>(() => cache.CopyTo("imitate", key, folder.At("run", "imitate")));
        Assert.Equal(ErrorKind.BadFile, error.Kind);
        Assert.Contains(cache.PathOf("imitate", key), error.Message, StringComparison.Ordinal);
        Assert.Contains(said, error.Message, StringComparison.Ordinal);
        Assert.Contains("cache clear cccccccccccccccc", error.Message, StringComparison.Ordinal);
        Assert.False(Directory.Exists(folder.At("run")));
        StageCache.Remove(Assert.Single(cache.Entries()));
        Assert.False(cache.Has("imitate", key));
        cache.Add("imitate", key, folder.At("rl", "step_000001"));
        cache.CopyTo("imitate", key, folder.At("run", "imitate"));
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
        Directory.CreateDirectory(AtomicFile.Aside(folder.At("out")));
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
