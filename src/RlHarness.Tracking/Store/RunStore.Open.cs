using Microsoft.Data.Sqlite;
using RlHarness.Core.Errors;

namespace RlHarness.Tracking.Store;

/// <summary>Opening, for writing and for reading alone.</summary>
public sealed partial class RunStore
{
    /// <summary>A copy that is read because the store lies where nothing can be written; null otherwise.</summary>
    private StoreCopy? _copy;

    /// <summary>File systems that several machines see at once, by the beginning of the name that the system gives them.</summary>
    private static readonly string[] Shared = ["nfs", "smb", "cifs", "lustre", "gpfs", "ceph", "beegfs", "fhgfs", "panfs", "afs", "ocfs2", "gfs", "9p", "v9fs"];

    /// <summary>
    /// Why the store is written with a rollback journal, in which a reader and the writer wait for each other, and not with a write-ahead log, which lives in
    /// memory that only processes of one machine share; null for a store with such a log, and for one that is read.
    /// </summary>
    public string? RollbackReason { get; private set; }

    /// <summary>Whether a store was created but never written to: its first process was killed before its tables existed.</summary>
    public static bool IsBlank(string path)
    {
        var source = new SqliteConnectionStringBuilder
        {
            DataSource = path,
            Mode = SqliteOpenMode.ReadOnly,
            Pooling = false,
        };
        using var connection = new SqliteConnection(source.ToString());
        try
        {
            connection.Open();
            using var command = connection.CreateCommand();
            command.CommandText = "SELECT COUNT(*) FROM sqlite_master";
            return command.ExecuteScalar() is 0L;
        }
        catch (SqliteException)
        {
            // Damage is for whoever reads it to say.
            return false;
        }
    }

    /// <param name="vfs">SQLite's name of the layer that it works on files with; null: its own choice.</param>
    internal static RunStore OpenToWrite(string path, TimeProvider time, string? vfs = null)
    {
        try
        {
            Directory.CreateDirectory(System.IO.Path.GetDirectoryName(System.IO.Path.GetFullPath(path))!);
        }
        catch (UnauthorizedAccessException e)
        {
            throw StoreErrors.ReadOnly(path, e);
        }

        return Opened(path, path, SqliteOpenMode.ReadWriteCreate, time, copy: null, vfs);
    }

    private static RunStore OpenInMemory(TimeProvider time) => Opened(":memory:", ":memory:", SqliteOpenMode.ReadWriteCreate, time, copy: null);

    /// <summary>Chooses the journal. A commit is on disk when it returns either way.</summary>
    private void ChooseJournal(string path)
    {
        var shared = FileSystemOf(path) is { } name && Shared.Any(s => name.StartsWith(s, StringComparison.OrdinalIgnoreCase)) ? name : null;
        if (shared is null && Scalar("PRAGMA journal_mode = WAL") is "wal")
        {
            Execute("PRAGMA synchronous = FULL");
            return;
        }

        // A reader elsewhere may keep the log of an older store alive; then the log stays.
        if (Scalar("PRAGMA journal_mode = DELETE") is not "wal")
            RollbackReason = shared is null ? "this file system has no shared memory" : $"several machines share this file system ({shared})";
        Execute("PRAGMA synchronous = EXTRA");
    }

    private static string? FileSystemOf(string path)
    {
        try
        {
            return new DriveInfo(System.IO.Path.GetDirectoryName(System.IO.Path.GetFullPath(path))!).DriveFormat;
        }
        catch (Exception e) when (e is IOException or ArgumentException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    /// <summary>
    /// SQLite needs to write beside a database in WAL mode even to read it. Where it may not, the store is opened as a file that nobody changes, but only if it
    /// has no <c>-wal</c>: rows that stand there alone would be missing without a word. Where it has one, both are copied, and the copy is opened.
    /// </summary>
    private static RunStore OpenToRead(string path)
    {
        try
        {
            return Opened(path, path, SqliteOpenMode.ReadOnly, TimeProvider.System, copy: null);
        }
        catch (HarnessException e) when (e.Kind == ErrorKind.Resource && e.InnerException is SqliteException { SqliteErrorCode: 8 or 14 })
        {
            return OpenWithoutWriting(path);
        }
    }

    /// <summary>Opens the store the way a folder without write access requires; never writes beside the store.</summary>
    internal static RunStore OpenWithoutWriting(string path)
    {
        var wal = new FileInfo(path + "-wal");
        if (!wal.Exists || wal.Length == 0)
            return Opened(
                path,
                new Uri(System.IO.Path.GetFullPath(path)).AbsoluteUri + "?immutable=1",
                SqliteOpenMode.ReadOnly,
                TimeProvider.System,
                copy: null
            );
        var copy = StoreCopy.Of(path);
        try
        {
            // The copy's log is worked in by whoever opens it, which takes writing.
            return Opened(path, copy.Path, SqliteOpenMode.ReadWrite, TimeProvider.System, copy);
        }
        catch
        {
            copy.Dispose();
            throw;
        }
    }

    private static RunStore Opened(string path, string source, SqliteOpenMode mode, TimeProvider time, StoreCopy? copy, string? vfs = null)
    {
        var connection = new SqliteConnection(
            new SqliteConnectionStringBuilder
            {
                DataSource = source,
                Mode = mode,
                ForeignKeys = true,
                Pooling = false,
                Vfs = vfs,
            }.ToString()
        );
        var store = new RunStore(path, connection, time) { _copy = copy };
        try
        {
            connection.Open();
            if (mode == SqliteOpenMode.ReadWriteCreate)
                store.ChooseJournal(path);
            store.CheckVersion(write: mode == SqliteOpenMode.ReadWriteCreate);
            return store;
        }
        catch (SqliteException e)
        {
            connection.Dispose();
            throw StoreErrors.Of(path, e)
                ?? HarnessException.BadFile(
                    path,
                    "not a run store",
                    e.Message,
                    "an SQLite database that RlHarness wrote",
                    "move the file away, or give another run folder",
                    e
                );
        }
        catch
        {
            connection.Dispose();
            throw;
        }
    }
}
