namespace RlHarness.Core.Runs;

/// <summary>Outputs of stages by content: the same settings, inputs and seed give the same key, and are computed once.</summary>
public sealed class StageCache(string root)
{
    /// <summary>The folder of a key; sealed when it is complete.</summary>
    public string PathOf(string stage, string key) => Path.Combine(root, stage, key[..16]);

    public bool Has(string stage, string key) => CheckpointFolder.IsSealed(PathOf(stage, key));

    /// <summary>Copies a cached stage into a run. The copy is complete or absent.</summary>
    public void CopyTo(string stage, string key, string target) => CheckpointFolder.Write(target, aside => CopyFiles(PathOf(stage, key), aside));

    /// <summary>
    /// Puts a run's finished stage into the cache. Of two processes that made the same stage at once, the first one's stays: they are the same.
    /// </summary>
    public void Add(string stage, string key, string source)
    {
        if (Has(stage, key))
            return;
        var path = PathOf(stage, key);
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        try
        {
            CheckpointFolder.Write(path, aside => CopyFiles(source, aside));
        }
        catch (IOException) when (Has(stage, key))
        {
            // Another process was quicker.
        }
    }

    private static void CopyFiles(string source, string target)
    {
        foreach (var file in Directory.EnumerateFiles(source, "*", SearchOption.AllDirectories))
        {
            var name = Path.GetRelativePath(source, file);
            if (name == CheckpointFolder.Manifest)
                continue;
            var to = Path.Combine(target, name);
            Directory.CreateDirectory(Path.GetDirectoryName(to)!);
            File.Copy(file, to);
        }
    }
}
