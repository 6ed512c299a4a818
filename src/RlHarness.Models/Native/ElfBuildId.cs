using System.Buffers.Binary;

namespace RlHarness.Models.Native;

/// <summary>Reads the build id that linkers write into ELF files (a note of type 3 by "GNU"; System V ABI, "Note Section").</summary>
internal static class ElfBuildId
{
    private const uint NoteSegment = 4;
    private const uint BuildIdNote = 3;

    /// <summary>The id in hexadecimal; null where the file has none or is no 64-bit little-endian ELF file.</summary>
    internal static string? Read(string path)
    {
        using var file = File.OpenRead(path);
        Span<byte> header = stackalloc byte[64];
        if (
            file.ReadAtLeast(header, 64, throwOnEndOfStream: false) < 64
            || !header[..6].SequenceEqual(new byte[] { 0x7f, (byte)'E', (byte)'L', (byte)'F', 2, 1 })
        )
            return null;
        var table = BinaryPrimitives.ReadInt64LittleEndian(header[0x20..]);
        var size = BinaryPrimitives.ReadUInt16LittleEndian(header[0x36..]);
        var count = BinaryPrimitives.ReadUInt16LittleEndian(header[0x38..]);
        Span<byte> segment = stackalloc byte[56];
        for (var i = 0; i < count; i++)
        {
            file.Position = table + (long)i * size;
            if (file.ReadAtLeast(segment, 56, throwOnEndOfStream: false) < 56)
                return null;
            if (BinaryPrimitives.ReadUInt32LittleEndian(segment) != NoteSegment)
                continue;
            var length = BinaryPrimitives.ReadInt64LittleEndian(segment[32..]);
            if (length is <= 0 or > 1 << 16)
                continue;
            var notes = new byte[length];
            file.Position = BinaryPrimitives.ReadInt64LittleEndian(segment[8..]);
            if (file.ReadAtLeast(notes, notes.Length, throwOnEndOfStream: false) == notes.Length && Find(notes) is { } id)
                return id;
        }

        return null;
    }

    private static string? Find(ReadOnlySpan<byte> notes)
    {
        while (notes.Length >= 12)
        {
            var name = BinaryPrimitives.ReadInt32LittleEndian(notes);
            var content = BinaryPrimitives.ReadInt32LittleEndian(notes[4..]);
            var type = BinaryPrimitives.ReadUInt32LittleEndian(notes[8..]);
            if (name < 0 || content < 0)
                return null;
            var start = 12 + ((long)name + 3 & ~3L);
            var end = start + content;
            if (end > notes.Length)
                return null;
            if (type == BuildIdNote && notes[12..].StartsWith("GNU\0"u8))
                return Convert.ToHexStringLower(notes[(int)start..(int)end]);
            var next = (int)Math.Min(notes.Length, end + 3 & ~3L);
            notes = notes[next..];
        }

        return null;
    }
}
