using System.Buffers.Binary;
using System.Text;

namespace RlHarness.Models.Native;

/// <summary>
/// Makes one symbol-version requirement of an ELF library weak. libLibTorchSharp asks for GLIBCXX_3.4.32 (GCC 13) for an init-order marker that no
/// relocation uses; with the requirement weak it loads on Debian 12, Ubuntu 22.04 and RHEL 9 too.
/// Format: System V ABI, "Symbol Versioning" (Verneed: u16 version, u16 count, u32 file, u32 aux, u32 next; Vernaux: u32 hash, u16 flags, u16 other,
/// u32 name, u32 next).
/// </summary>
internal static class ElfVersionNeed
{
    public const string TorchSharpMarker = "GLIBCXX_3.4.32";
    private const uint GnuVerneed = 0x6ffffffe;
    private const ushort WeakFlag = 2;

    /// <summary>ELF, 64 bits, little-endian.</summary>
    private static ReadOnlySpan<byte> Magic => [0x7f, (byte)'E', (byte)'L', (byte)'F', 2, 1];

    /// <summary>Sets the weak flag in <paramref name="image"/>.</summary>
    /// <returns>True when a flag was changed; false when the version isn't needed, is weak already, or the image is no 64-bit little-endian ELF file.</returns>
    public static bool MakeWeak(Span<byte> image, string version)
    {
        if (image.Length < 64 || !image[..6].SequenceEqual(Magic))
            return false;
        var sectionTable = (long)BinaryPrimitives.ReadUInt64LittleEndian(image[0x28..]);
        var entrySize = BinaryPrimitives.ReadUInt16LittleEndian(image[0x3A..]);
        var count = BinaryPrimitives.ReadUInt16LittleEndian(image[0x3C..]);
        var changed = false;
        for (var i = 0; i < count; i++)
        {
            var at = sectionTable + (long)i * entrySize;
            if (at + 64 > image.Length)
                return changed;
            var section = image[(int)at..];
            if (BinaryPrimitives.ReadUInt32LittleEndian(section[4..]) != GnuVerneed)
                continue;
            var link = BinaryPrimitives.ReadUInt32LittleEndian(section[40..]);
            var names = (long)BinaryPrimitives.ReadUInt64LittleEndian(image[(int)(sectionTable + link * entrySize + 24)..]);
            changed |= MakeWeakInSection(image, (long)BinaryPrimitives.ReadUInt64LittleEndian(section[24..]), names, Encoding.ASCII.GetBytes(version));
        }

        return changed;
    }

    private static bool MakeWeakInSection(Span<byte> image, long need, long names, ReadOnlySpan<byte> version)
    {
        var changed = false;
        while (true)
        {
            var entry = image[(int)need..];
            var aux = need + BinaryPrimitives.ReadUInt32LittleEndian(entry[8..]);
            for (var left = BinaryPrimitives.ReadUInt16LittleEndian(entry[2..]); left > 0; left--)
            {
                var item = image[(int)aux..];
                var name = image[(int)(names + BinaryPrimitives.ReadUInt32LittleEndian(item[8..]))..];
                var flags = BinaryPrimitives.ReadUInt16LittleEndian(item[4..]);
                if (name.StartsWith(version) && name[version.Length] == 0 && (flags & WeakFlag) == 0)
                {
                    BinaryPrimitives.WriteUInt16LittleEndian(item[4..], (ushort)(flags | WeakFlag));
                    changed = true;
                }

                var nextAux = BinaryPrimitives.ReadUInt32LittleEndian(item[12..]);
                if (nextAux == 0)
                    break;
                aux += nextAux;
            }

            var next = BinaryPrimitives.ReadUInt32LittleEndian(entry[12..]);
            if (next == 0)
                return changed;
            need += next;
        }
    }
}
