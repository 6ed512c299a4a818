using Microsoft.Data.Sqlite;
using RlHarness.Core.Errors;

namespace RlHarness.Tracking.Store;

/// <summary>SQLite's errors that a person can cure, in words.</summary>
internal static class StoreErrors
{
    private const int Busy = 5;
    private const int Locked = 6;
    private const int NotWritable = 8;
    private const int Io = 10;
    private const int Full = 13;
    private const int Corrupt = 11;
    private const int CannotOpen = 14;
    private const int NotADatabase = 26;
    private const int UniqueKey = 1555;
    private const int UniqueColumn = 2067;

    /// <summary>Null for an error that is none of these.</summary>
    internal static HarnessException? Of(string path, SqliteException e) =>
        (e.SqliteErrorCode, e.SqliteExtendedErrorCode) switch
        {
            (NotWritable, _) => ReadOnly(path, e),
            (CannotOpen, _) => new(
                ErrorKind.Resource,
                $"{path}: the run store can't be opened",
                e.Message,
                "a file that this user may read, in a folder that it may write to",
                "check the permissions of the file and its folder",
                e
            ),
            (Full, _) => DiskFull(path, e),
            // A full disk has no room for the index of the write-ahead log, which SQLite reports as an error of the disk.
            (Io, _) when IsFull(path) => DiskFull(path, e),
            (Io, _) => new(
                ErrorKind.Resource,
                $"{path}: the disk can't be read or written",
                e.Message,
                remedy: "look after the disk, or free some space; every step that was finished is in the store",
                inner: e
            ),
            (Corrupt or NotADatabase, _) => Damaged(path, e.Message, e),
            (Busy or Locked, _) => new(
                ErrorKind.Resource,
                $"{path}: another process has kept the run store locked",
                e.Message,
                "one writer at a time, which lets go of the store between steps",
                "end the other process, or wait for it; then go on with `resume`: every step that was finished is in the store",
                e
            ),
            (_, UniqueKey or UniqueColumn) => new(
                ErrorKind.RunFolder,
                $"{path}: a row is there already, and none is replaced",
                e.Message,
                "a key for each row",
                "for a pack of your own, run `pack check`: ids of queries have to differ",
                e
            ),
            _ => null,
        };

    internal static HarnessException Damaged(string path, string found, Exception? inner) =>
        HarnessException.BadFile(
            path,
            "the run store is damaged",
            found.Replace('\n', ' '),
            "an SQLite database that passes its own check",
            "copy it back from where you keep copies; checkpoints and metrics.jsonl are files of their own, and nothing was written over",
            inner
        );

    internal static HarnessException ReadOnly(string path, Exception e) =>
        new(
            ErrorKind.Resource,
            $"{path}: the run store can't be written to",
            e.Message.Contains("readonly", StringComparison.Ordinal) ? "the file, its folder or the disk is read-only" : e.Message,
            "a file and a folder that this user may write to",
            "change their permissions, or copy the run's folder to where you may write",
            e
        );

    private static HarnessException DiskFull(string path, SqliteException e) =>
        new(
            ErrorKind.Resource,
            $"{path}: the disk is full",
            e.Message,
            "room for the rows of a step",
            "free some space, then go on with `resume`; every step that was finished is in the store",
            e
        );

    private static bool IsFull(string path)
    {
        const long Page = 1 << 16;
        try
        {
            return new DriveInfo(Path.GetDirectoryName(Path.GetFullPath(path))!).AvailableFreeSpace < Page;
        }
        catch (Exception other) when (other is IOException or ArgumentException or UnauthorizedAccessException)
        {
            return false;
        }
    }
}
