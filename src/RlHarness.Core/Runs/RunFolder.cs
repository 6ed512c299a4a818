using System.Text.Json;
using RlHarness.Core.Errors;
using RlHarness.Core.Files;

namespace RlHarness.Core.Runs;

/// <summary>A run's folder, held by one process at a time.</summary>
public sealed class RunFolder : IDisposable
{
    /// <summary>What a run is; written last when its folder is made.</summary>
    public const string Manifest = "run.json";

    private static readonly JsonSerializerOptions Indented = new() { WriteIndented = true, PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower };
    private readonly FileStream? _lock;

    private RunFolder(string path, FileStream? held) => (Path, _lock) = (path, held);

    public string Path { get; }

    public string Database => System.IO.Path.Combine(Path, "run.db");

    public string Metrics => System.IO.Path.Combine(Path, "metrics.jsonl");

    public string Config => System.IO.Path.Combine(Path, "config.yaml");

    public string Report => System.IO.Path.Combine(Path, "report.html");

    /// <summary>Last part of a folder's path, however it is written.</summary>
    public static string NameOf(string folder) => System.IO.Path.GetFileName(System.IO.Path.TrimEndingDirectorySeparator(System.IO.Path.GetFullPath(folder)));

    /// <summary>Folder of a stage's outputs.</summary>
    public string Stage(string name) => System.IO.Path.Combine(Path, name);

    /// <summary>
    /// Creates a new folder for a run named <paramref name="name"/>: <c>name</c>, or <c>name-2</c>, <c>name-3</c> … where that exists. Of several
    /// processes that
    /// ask for one name at once each gets a name of its own.
    /// </summary>
    /// <param name="about">From the name that the run got, what <c>run.json</c> says.</param>
    public static RunFolder Create(string parent, string name, Func<string, object> about, string resolvedYaml)
    {
        ArgumentNullException.ThrowIfNull(about);
        Directory.CreateDirectory(parent);
        for (var i = 1; ; i++)
        {
            var path = System.IO.Path.Combine(parent, i == 1 ? name : $"{name}-{i}");
            if (Directory.Exists(path) || File.Exists(path))
                continue;
            Directory.CreateDirectory(path);
            // To make a folder that is there is no error: whoever makes the lock has it, unless another run came and went in between.
            if (Claim(path) is not { } folder)
                continue;
            try
            {
                AtomicFile.WriteAllText(folder.Config, resolvedYaml);
                AtomicFile.WriteAllText(System.IO.Path.Combine(path, Manifest), JsonSerializer.Serialize(about(NameOf(path)), Indented) + "\n");
            }
            catch
            {
                folder.Dispose();
                throw;
            }

            return folder;
        }
    }

    /// <summary>Opens an existing run, and removes what a process that was killed left half written in it.</summary>
    /// <exception cref="HarnessException">It is no run, or another process holds it.</exception>
    public static RunFolder Open(string path)
    {
        if (!IsRun(path))
            throw new HarnessException(
                ErrorKind.RunFolder,
                $"{path}: not a run's folder",
                Directory.Exists(path) ? "a folder without run.json or config.yaml" : "nothing at this path",
                "a folder that `train` made, such as checkpoints/quickstart"
            );
        var folder = Hold(path);
        try
        {
            AtomicFile.Sweep(path, everyone: true);
            return folder;
        }
        catch (Exception e) when (DiskErrors.Of(e) is { } error)
        {
            folder.Dispose();
            throw error;
        }
        catch
        {
            folder.Dispose();
            throw;
        }
    }

    /// <summary>A run's folder for a process that only reads it, beside the one that holds it.</summary>
    public static RunFolder Follow(string path) => new(path, null);

    /// <summary>Whether a folder has the files of a run.</summary>
    public static bool IsRun(string path) => File.Exists(System.IO.Path.Combine(path, Manifest)) && File.Exists(System.IO.Path.Combine(path, "config.yaml"));

    /// <summary>
    /// Removes a folder that <see cref="Create"/> was killed in, so that its name is free; leaves one that a process holds or that has a run.
    /// </summary>
    public static void RemoveUnborn(string path)
    {
        if (!Directory.Exists(path) || File.Exists(System.IO.Path.Combine(path, Manifest)))
            return;
        string[] own = [".lock", "config.yaml"];
        if (Directory.EnumerateFileSystemEntries(path).Any(f => !own.Contains(System.IO.Path.GetFileName(f)) && !f.EndsWith(".tmp", StringComparison.Ordinal)))
            return;
        using (Hold(path))
            Directory.Delete(path, recursive: true);
    }

    public void Dispose() => _lock?.Dispose();

    /// <summary>A folder that nobody else has claimed; null where somebody has.</summary>
    private static RunFolder? Claim(string path)
    {
        var file = System.IO.Path.Combine(path, ".lock");
        FileStream held;
        try
        {
            held = Lock(file, FileMode.CreateNew);
        }
        catch (IOException) when (File.Exists(file))
        {
            return null;
        }

        if (!File.Exists(System.IO.Path.Combine(path, Manifest)))
            return new(path, held);
        held.Dispose();
        return null;
    }

    private static FileStream Lock(string file, FileMode mode)
    {
        var held = new FileStream(file, mode, FileAccess.ReadWrite, FileShare.None, bufferSize: 1, FileOptions.DeleteOnClose);
        try
        {
            // Held twice: then the file system, or .NET's settings, only pretend to lock.
            new FileStream(file, FileMode.Open, FileAccess.ReadWrite, FileShare.None, bufferSize: 1).Dispose();
        }
        catch (IOException)
        {
            return held;
        }

        held.Dispose();
        throw new HarnessException(
            ErrorKind.Resource,
            $"{file}: files can't be locked here",
            "a second handle could be had of a file that is held",
            "a file system with locks, so that no two processes write to one run",
            "put `output` on a local disk or another file system, or unset DOTNET_SYSTEM_IO_DISABLEFILELOCKING (docs/reliability.md)"
        );
    }

    private static RunFolder Hold(string path)
    {
        var file = System.IO.Path.Combine(path, ".lock");
        try
        {
            return new RunFolder(path, Lock(file, FileMode.OpenOrCreate));
        }
        catch (Exception e) when (DiskErrors.Of(e) is { } error)
        {
            throw error;
        }
        catch (IOException e)
        {
            throw new HarnessException(
                ErrorKind.RunFolder,
                $"{path}: the run is in use by another process",
                $"{file} is held",
                "a run that nobody is working on",
                "wait for the other process, or stop it; its work is kept",
                e
            );
        }
    }
}

/// <summary>A run was stopped by a person or a signal, and can be resumed.</summary>
/// <param name="folder">The run's folder.</param>
/// <param name="kept">What of it is on disk, in words.</param>
public sealed class RunStoppedException(string folder, string kept, Exception inner)
    : OperationCanceledException($"Stopped. Kept: {kept}. Go on with: rlharness resume {folder}", inner)
{
    public string Folder { get; } = folder;
}
