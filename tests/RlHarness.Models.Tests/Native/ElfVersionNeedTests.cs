using System.Buffers.Binary;
using System.Text;
using RlHarness.Models.Native;

namespace RlHarness.Models.Tests.Native;

/// <summary>A small ELF image made by hand: two sections (the needs, and the strings that they name), two libraries, three versions.</summary>
[Trait("kind", "contract")]
public class ElfVersionNeedTests
{
    private const string Wanted = "GLIBCXX_3.4.32";
    private const int NeedOffset = 0x40;
    private const int NamesOffset = 0x100;
    private const int SectionsOffset = 0x180;

    // Verneed is 16 bytes, Vernaux 16: library 1 at 0x40 with needs at 0x50 and 0x60, library 2 at 0x70 with one at 0x80.
    private const int OlderFlags = 0x50 + 4;
    private const int WantedFlags = 0x60 + 4;
    private const int LongerFlags = 0x80 + 4;

    [Fact]
    public void Only_the_wanted_version_becomes_weak()
    {
        var image = Image();
        var before = image.ToArray();
        Assert.True(ElfVersionNeed.MakeWeak(image, Wanted));
        Assert.Equal(2, Flags(image, WantedFlags));
        BinaryPrimitives.WriteUInt16LittleEndian(image.AsSpan(WantedFlags), 0);
        Assert.Equal(before, image);
    }

    [Fact]
    public void Other_flags_stay()
    {
        var image = Image();
        BinaryPrimitives.WriteUInt16LittleEndian(image.AsSpan(WantedFlags), 1);
        Assert.True(ElfVersionNeed.MakeWeak(image, Wanted));
        Assert.Equal(3, Flags(image, WantedFlags));
    }

    [Fact]
    public void A_second_call_changes_nothing()
    {
        var image = Image();
        ElfVersionNeed.MakeWeak(image, Wanted);
        var once = image.ToArray();
        Assert.False(ElfVersionNeed.MakeWeak(image, Wanted));
        Assert.Equal(once, image);
    }

    [Fact]
    public void A_version_whose_name_only_begins_alike_is_another()
    {
        var image = Image();
        Assert.True(ElfVersionNeed.MakeWeak(image, "GLIBCXX_3.4.320"));
        Assert.Equal((0, 0, 2), (Flags(image, OlderFlags), Flags(image, WantedFlags), Flags(image, LongerFlags)));
        Assert.False(ElfVersionNeed.MakeWeak(Image(), "GLIBCXX_3.4.3"));
    }

    [Fact]
    public void What_is_no_64_bit_little_endian_ELF_file_is_left_alone()
    {
        foreach (var (at, value) in new[] { (0, (byte)'M'), (4, (byte)1), (5, (byte)2) })
        {
            var image = Image();
            image[at] = value;
            var before = image.ToArray();
            Assert.False(ElfVersionNeed.MakeWeak(image, Wanted));
            Assert.Equal(before, image);
        }

        Assert.False(ElfVersionNeed.MakeWeak("\u007fELF"u8.ToArray(), Wanted));
        Assert.False(ElfVersionNeed.MakeWeak([], Wanted));
    }

    [Fact]
    public void A_section_table_beyond_the_end_of_a_cut_file_is_not_followed() =>
        Assert.False(ElfVersionNeed.MakeWeak(Image().AsSpan(0, SectionsOffset + 32), Wanted));

    [Fact]
    public void The_build_has_patched_the_library_beside_the_tests()
    {
        var library = new[] { AppContext.BaseDirectory, Path.Combine(AppContext.BaseDirectory, "runtimes", "linux-x64", "native") }
            .Select(f => Path.Combine(f, "libLibTorchSharp.so"))
            .FirstOrDefault(File.Exists);
        Assert.SkipWhen(library is null, "libLibTorchSharp.so is not beside the tests: only a build for Linux has it.");
        var image = File.ReadAllBytes(library!);
        Assert.False(ElfVersionNeed.MakeWeak(image, ElfVersionNeed.TorchSharpMarker));
    }

    private static int Flags(byte[] image, int at) => BinaryPrimitives.ReadUInt16LittleEndian(image.AsSpan(at));

    private static byte[] Image()
    {
        var image = new byte[SectionsOffset + (2 * 64)];
        "\u007fELF"u8.CopyTo(image);
        (image[4], image[5]) = (2, 1);
        U64(0x28, SectionsOffset);
        U16(0x3A, 64);
        U16(0x3C, 2);
        var names = $"\0libstdc++.so.6\0GLIBCXX_3.4.30\0{Wanted}\0{Wanted}0\0";
        Encoding.ASCII.GetBytes(names).CopyTo(image, NamesOffset);
        Need(0x40, count: 2, next: 0x30);
        Version(0x50, "GLIBCXX_3.4.30\0", next: 0x10);
        Version(0x60, Wanted + "\0", next: 0);
        Need(0x70, count: 1, next: 0);
        Version(0x80, Wanted + "0\0", next: 0);
        Section(0, type: 0x6ffffffe, NeedOffset, link: 1);
        Section(1, type: 3, NamesOffset, link: 0);
        return image;

        void U16(int at, int value) => BinaryPrimitives.WriteUInt16LittleEndian(image.AsSpan(at), (ushort)value);
        void U32(int at, uint value) => BinaryPrimitives.WriteUInt32LittleEndian(image.AsSpan(at), value);
        void U64(int at, long value) => BinaryPrimitives.WriteInt64LittleEndian(image.AsSpan(at), value);
        void Need(int at, int count, uint next)
        {
            U16(at, 1);
            U16(at + 2, count);
            U32(at + 8, 16);
            U32(at + 12, next);
        }

        void Version(int at, string name, uint next)
        {
            U32(at + 8, (uint)names.IndexOf(name, StringComparison.Ordinal));
            U32(at + 12, next);
        }

        void Section(int index, uint type, int offset, uint link)
        {
            var at = SectionsOffset + (index * 64);
            U32(at + 4, type);
            U64(at + 24, offset);
            U32(at + 40, link);
        }
    }
}
