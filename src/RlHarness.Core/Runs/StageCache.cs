using RlHarness.Core.Errors;
using RlHarness.Core.Files;

namespace RlHarness.Core.Runs;

/// <summary>Outputs of stages by content: the same settings, inputs and seed give the same key, and are computed once.</summary>
public sealed class StageCache(string root)
{
    /// <param name="Stage">Whose output it is.</param>
    /// <param name="Key">Beginning of its key, and the name of its folder.</param>
    /// <param name="Bytes">Size of all its files.</param>
    public sealed record Entry(string Stage, string Key, string Path, long Bytes, DateTime Written);

    public string Root { get; } = root;

    /// <summary>The folder of a key; sealed when it is complete.</summary>
    public string PathOf(string stage, string key) => Path.Combine(Root, stage, key[..16]);

    /// <summary>Whether there is an entry, whole or damaged.</summary>
    public bool Has(string stage, string key) => Directory.Exists(PathOf(stage, key));

    /// <summary>Copies a cached stage into a run, after each of its files was compared with its manifest. The copy is complete or absent.</summary>
    /// <exception cref="HarnessException">The entry is damaged, or can't be read; nothing is copied then.</exception>
    public void CopyTo(string stage, string key, string target)
    {
        var path = PathOf(stage, key);
        if (Damage(path) is { } damage)
            throw damage;
        CheckpointFolder.Copy(path, target);
        // What was copied is what was verified, also where the entry changed in between.
        var (entry, copy) = (Path.Combine(path, CheckpointFolder.Manifest), Path.Combine(target, CheckpointFolder.Manifest));
        if (File.ReadAllText(entry) == File.ReadAllText(copy))
            return;
        Directory.Delete(target, recursive: true);
        throw Damaged(path, "its files changed while they were copied", null);
    }

    /// <summary>
    /// Puts a run's finished stage into the cache. Of two processes that made the same stage at once, the first one's stays: they are the same.
    /// </summary>
    public void Add(string stage, string key, string source)
    {
        if (Has(stage, key))
            return;
        var path = PathOf(stage, key);
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        AtomicFile.Sweep(Path.GetDirectoryName(path)!, everyone: false);
        try
        {
            CheckpointFolder.Copy(source, path);
        }
        catch (IOException) when (Has(stage, key))
        {
            // Another process was quicker.
        }
    }

    /// <summary>All entries by stage and key.</summary>
    public IReadOnlyList<Entry> Entries() =>
        !Directory.Exists(Root)
            ? []
            :
            [
                .. Directory
                    .EnumerateDirectories(Root)
                    .SelectMany(Directory.EnumerateDirectories)
                    .Where(p => !p.EndsWith(".tmp", StringComparison.Ordinal))
                    .Order(StringComparer.Ordinal)
                    .Select(p => new Entry(
                        Path.GetFileName(Path.GetDirectoryName(p))!,
                        Path.GetFileName(p),
                        p,
                        new DirectoryInfo(p).EnumerateFiles("*", SearchOption.AllDirectories).Sum(f => f.Length),
                        Directory.GetLastWriteTime(p)
                    )),
            ];

    /// <summary>What is wrong with an entry, with its path in the words; null where it is whole.</summary>
    public static HarnessException? Damage(string path)
    {
        try
        {
            return CheckpointFolder.Damage(path) is { } damage ? Damaged(path, damage.Message.Split(Environment.NewLine + "  do:")[0], damage) : null;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return Damaged(path, e.Message, e);
        }
    }

    /// <summary>Deletes an entry at once: readers see it whole or not at all.</summary>
    public static void Remove(Entry entry)
    {
        ArgumentNullException.ThrowIfNull(entry);
        var gone = AtomicFile.Aside(entry.Path);
        Directory.Move(entry.Path, gone);
        Directory.Delete(gone, recursive: true);
    }

    private static HarnessException Damaged(string path, string found, Exception? inner) =>
        HarnessException.BadFile(
            path,
            "a damaged entry of the stage cache",
            found,
            "the files that were put there",
            $"remove it with `rlharness cache clear {Path.GetFileName(path)}` and give the command again: the stage is then computed; or set cache=false",
            inner
        );
}
