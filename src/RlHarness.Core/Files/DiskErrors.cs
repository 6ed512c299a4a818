using RlHarness.Core.Errors;

namespace RlHarness.Core.Files;

/// <summary>What a disk refuses, in words: a full or read-only disk is neither a run in use nor a defect.</summary>
public static class DiskErrors
{
    private const int NotPermitted = 1;
    private const int Io = 5;
    private const int Denied = 13;
    private const int NoSpace = 28;
    private const int ReadOnly = 30;
    private const int OverQuota = 122;
    private const int WindowsDiskFull = 112;

    /// <summary>The error of kind <see cref="ErrorKind.Resource"/> that says so; null for an exception of another kind.</summary>
    /// <param name="remedy">What to do when there is room again; null: to try again.</param>
    public static HarnessException? Of(Exception e, string? remedy = null)
    {
        ArgumentNullException.ThrowIfNull(e);
        return e switch
        {
            HarnessException => null,
            AggregateException { InnerException: { } inner } => Of(inner, remedy),
            IOException io when Code(io) is NoSpace or OverQuota or WindowsDiskFull || io.Message.Contains("No space left", StringComparison.Ordinal) => new(
                ErrorKind.Resource,
                "the disk is full",
                e.Message,
                remedy: $"free some space, then {remedy ?? "try again"}; what was written before is whole",
                inner: e
            ),
            IOException io when Code(io) == ReadOnly || io.Message.Contains("Read-only file system", StringComparison.Ordinal) => NotWritable(e, remedy),
            IOException io when Code(io) == Io => new(
                ErrorKind.Resource,
                "the disk can't be read or written",
                e.Message,
                remedy: "look after the disk",
                inner: e
            ),
            UnauthorizedAccessException => NotWritable(e, remedy),
            IOException io when Code(io) is NotPermitted or Denied => NotWritable(e, remedy),
            _ => null,
        };
    }

    private static HarnessException NotWritable(Exception e, string? remedy) =>
        new(
            ErrorKind.Resource,
            "a file or folder is read-only, or not this user's",
            e.Message,
            "a place that this user may read and write",
            $"change its permissions or choose another place, then {remedy ?? "try again"}",
            e
        );

    private static int Code(IOException e) => e.HResult & 0xFFFF;
}
