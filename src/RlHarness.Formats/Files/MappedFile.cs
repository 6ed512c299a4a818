using System.IO.MemoryMappedFiles;
using RlHarness.Core.Errors;
using RlHarness.Core.Files;

namespace RlHarness.Formats.Files;

/// <summary>A file mapped read-only into memory.</summary>
internal sealed unsafe class MappedFile : IDisposable
{
    private readonly MemoryMappedFile _map;
    private readonly MemoryMappedViewAccessor _view;
    private byte* _start;

    private MappedFile(string path, long length, MemoryMappedFile map, MemoryMappedViewAccessor view)
    {
        (Path, Length, _map, _view) = (path, length, map, view);
        byte* start = null;
        view.SafeMemoryMappedViewHandle.AcquirePointer(ref start);
        _start = start + view.PointerOffset;
    }

    public string Path { get; }

    public long Length { get; }

    /// <summary>Maps a file of at least <paramref name="minimum"/> bytes.</summary>
    public static MappedFile Open(string path, int minimum, string kind)
    {
        TextFile.Check(path, $"a {kind} file");
        try
        {
            using var stream = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read);
            var length = stream.Length;
            if (length < minimum)
            {
                throw HarnessException.BadFile(
                    path,
                    $"too short for a {kind} file",
                    $"{length} bytes",
                    $"at least {minimum} bytes",
                    "fetch or write the file again"
                );
            }

            var map = MemoryMappedFile.CreateFromFile(stream, null, 0, MemoryMappedFileAccess.Read, HandleInheritability.None, leaveOpen: true);
            return new MappedFile(path, length, map, map.CreateViewAccessor(0, 0, MemoryMappedFileAccess.Read));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw HarnessException.BadFile(path, "cannot be read", e.Message, remedy: "check permissions and free memory", inner: e);
        }
    }

    public ReadOnlySpan<byte> Slice(long offset, long count)
    {
        ObjectDisposedException.ThrowIf(_start is null, this);
        ArgumentOutOfRangeException.ThrowIfNegative(offset);
        ArgumentOutOfRangeException.ThrowIfNegative(count);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(count, Length - offset);
        if (count > int.MaxValue)
            throw new ArgumentOutOfRangeException(nameof(count), count, "a span holds at most 2 GiB: read the weight in parts");
        return new ReadOnlySpan<byte>(_start + offset, (int)count);
    }

    public void Dispose()
    {
        if (_start is null)
            return;
        _start = null;
        _view.SafeMemoryMappedViewHandle.ReleasePointer();
        _view.Dispose();
        _map.Dispose();
    }
}
