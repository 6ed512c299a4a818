using RlHarness.Core.Errors;

namespace RlHarness.Tracking.Store;

/// <summary>A store and its write-ahead log in a folder of their own among the temporary files, deleted when disposed.</summary>
internal sealed class StoreCopy : IDisposable
{
    private const int Tries = 5;
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("rlharness-store-");

    internal string Path => System.IO.Path.Combine(_folder.FullName, "run.db");

    /// <summary>Both files as they were at one moment: copied again where a writer changed them meanwhile.</summary>
    internal static StoreCopy Of(string path)
    {
        var copy = new StoreCopy();
        try
        {
            for (var i = 0; i < Tries; i++)
            {
                var before = State(path);
                File.Copy(path, copy.Path, overwrite: true);
                if (File.Exists(path + "-wal"))
                    File.Copy(path + "-wal", copy.Path + "-wal", overwrite: true);
                else
                    File.Delete(copy.Path + "-wal");
                if (State(path) == before)
                {
                    // A copy keeps the original's permissions, and this one is worked on.
                    if (!OperatingSystem.IsWindows())
                    {
                        foreach (var file in copy._folder.GetFiles())
                            file.UnixFileMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
                    }

                    return copy;
                }
            }

            throw new HarnessException(
                ErrorKind.RunFolder,
                $"{path}: the run writes faster than its store can be copied",
                $"{Tries} copies, each changed meanwhile",
                "a store that rests for a moment, or a folder that can be written to",
                "try again, or read it where the run writes"
            );
        }
        catch
        {
            copy.Dispose();
            throw;
        }
    }

    public void Dispose() => _folder.Delete(recursive: true);

    private static (long, DateTime, long, DateTime) State(string path)
    {
        var (db, wal) = (new FileInfo(path), new FileInfo(path + "-wal"));
        return (db.Length, db.LastWriteTimeUtc, wal.Exists ? wal.Length : 0, wal.Exists ? wal.LastWriteTimeUtc : default);
    }
}
