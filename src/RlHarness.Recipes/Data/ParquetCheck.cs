using System.Buffers.Binary;
using System.Globalization;
using RlHarness.Core.Errors;

namespace RlHarness.Recipes.Data;

/// <summary>
/// Holds the counts and sizes of a Parquet file against its length, before a library believes them: Parquet.Net 6.1.0 reads a list as long as its header says,
/// and makes room for as many bytes and values as a page claims. The format is Thrift's compact protocol: https://parquet.apache.org/docs/file-format/.
/// </summary>
internal static class ParquetCheck
{
    private const int MostDepth = 32;

    /// <summary>Values, and bytes of a page, that any file may claim.</summary>
    private const long Free = 1 << 20;

    /// <summary>How many values a byte of the file may stand for, beyond the free ones.</summary>
    private const long Values = 1100;

    /// <summary>How many bytes a byte of a page may unpack to: gzip stops at 1,032, zstd's runs go further.</summary>
    private const long Packing = 16384;

    /// <exception cref="HarnessException">The file is no Parquet, or what it says of itself can't be.</exception>
    public static void Of(string path)
    {
        using var file = File.OpenRead(path);
        try
        {
            Check(file);
        }
        catch (Exception e) when (e is InvalidDataException or EndOfStreamException)
        {
            throw HarnessException.BadFile(path, "not a Parquet file that can be read", e.Message, "Parquet, as datasets and pandas write it", inner: e);
        }
    }

    private static void Check(FileStream file)
    {
        var end = Bytes(file, Math.Max(0, file.Length - 8), 8);
        if (file.Length < 12 || !end.AsSpan(4).SequenceEqual("PAR1"u8))
            throw new InvalidDataException("it does not end with PAR1");
        long footer = BinaryPrimitives.ReadUInt32LittleEndian(end);
        if (footer > file.Length - 12)
            throw new InvalidDataException(Say($"a footer of {footer} bytes in a file of {file.Length}"));
        var meta = new Thrift(Bytes(file, file.Length - 8 - footer, (int)footer)).Struct();
        foreach (var group in meta.List(4))
            foreach (var column in group.List(1))
                Column(file, column.Child(3) ?? throw new InvalidDataException("a column without metadata"));
    }

    private static void Column(FileStream file, Fields column)
    {
        var (values, size, data) = (column.Number(5), column.Number(7), column.Number(9));
        var start = column.Number(11) is > 0 and var dictionary && dictionary < data ? dictionary : data;
        if (start < 4 || size < 0 || size > file.Length - start)
            throw new InvalidDataException(Say($"a column of {size} bytes at {start} in a file of {file.Length}"));
        if (values < 0 || values > Free + Values * size)
            throw new InvalidDataException(Say($"a column of {values} values in {size} bytes"));
        for (var at = start; at < start + size;)
        {
            var header = new Thrift(Bytes(file, at, (int)Math.Min(start + size - at, 1 << 20)));
            var page = header.Struct();
            var (plain, packed) = (page.Number(2), page.Number(3));
            var inPage = new[] { 5, 7, 8 }.Sum(kind => page.Child(kind)?.Number(1) ?? 0);
            at += header.Position;
            if (packed < 0 || packed > start + size - at || plain < 0 || plain > Free + Packing * packed || column.Number(4) == 0 && plain != packed)
                throw new InvalidDataException(Say($"a page of {packed} bytes that hold {plain}, with {start + size - at} left in its column"));
            if (inPage < 0 || inPage > Free + Values * packed)
                throw new InvalidDataException(Say($"a page of {inPage} values in {packed} bytes"));
            at += packed;
        }
    }

    private static byte[] Bytes(FileStream file, long at, int count)
    {
        var bytes = new byte[count];
        file.Position = at;
        file.ReadExactly(bytes);
        return bytes;
    }

    private static string Say(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);

    /// <summary>The fields of a struct by number: a long, <see cref="Fields"/>, or a list of fields; what is of another kind is left out.</summary>
    private sealed class Fields : Dictionary<int, object>
    {
        public long Number(int field) => TryGetValue(field, out var value) && value is long number ? number : 0;

        public Fields? Child(int field) => TryGetValue(field, out var value) ? value as Fields : null;

        public IReadOnlyList<Fields> List(int field) => TryGetValue(field, out var value) && value is List<Fields> list ? list : [];
    }

    /// <summary>Reads Thrift's compact protocol: https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md.</summary>
    private sealed class Thrift(byte[] bytes)
    {
        public int Position { get; private set; }

        public Fields Struct(int depth = 0)
        {
            if (depth > MostDepth)
                throw new InvalidDataException(Say($"structures {MostDepth} deep"));
            var fields = new Fields();
            for (var field = 0; ;)
            {
                var head = Byte();
                if (head == 0)
                    return fields;
                field = head >> 4 == 0 ? (int)ZigZag() : field + (head >> 4);
                if (Value(head & 15, depth, inList: false) is { } value)
                    fields[field] = value;
            }
        }

        private object? Value(int type, int depth, bool inList)
        {
            switch (type)
            {
                case 1 or 2:
                    return inList ? Skip(1) : null;
                case 3:
                    return Skip(1);
                case 4 or 5 or 6:
                    return ZigZag();
                case 7:
                    return Skip(8);
                case 8:
                    return Skip(Count());
                case 9 or 10:
                    return List(depth);
                case 11:
                    var pairs = Count();
                    var types = pairs == 0 ? 0 : Byte();
                    for (var i = 0; i < pairs; i++)
                        (_, _) = (Value(types >> 4, depth + 1, inList: true), Value(types & 15, depth + 1, inList: true));
                    return null;
                case 12:
                    return Struct(depth + 1);
                default:
                    throw new InvalidDataException(Say($"a field of the unknown type {type}"));
            }
        }

        private List<Fields>? List(int depth)
        {
            if (depth > MostDepth)
                throw new InvalidDataException(Say($"structures {MostDepth} deep"));
            var head = Byte();
            var (count, type) = (head >> 4 == 15 ? Count() : head >> 4, head & 15);
            var structs = type == 12 ? new List<Fields>() : null;
            for (var i = 0; i < count; i++)
                if (Value(type, depth + 1, inList: true) is Fields item)
                    structs?.Add(item);
            return structs;
        }

        /// <summary>A number of things that take a byte or more each.</summary>
        private int Count()
        {
            var count = Varint();
            return count <= (ulong)(bytes.Length - Position)
                ? (int)count
                : throw new InvalidDataException(Say($"a count of {count} with {bytes.Length - Position} bytes left"));
        }

        private object? Skip(int count)
        {
            if (count > bytes.Length - Position)
                throw new EndOfStreamException(Say($"{count} bytes wanted and {bytes.Length - Position} left"));
            Position += count;
            return null;
        }

        private byte Byte() => Position < bytes.Length ? bytes[Position++] : throw new EndOfStreamException("it ends inside a structure");

        private long ZigZag()
        {
            var value = Varint();
            return (long)(value >> 1) ^ -(long)(value & 1);
        }

        private ulong Varint()
        {
            for (ulong value = 0, shift = 0; shift < 70; shift += 7)
            {
                var next = Byte();
                value |= (ulong)(next & 127) << (int)shift;
                if (next < 128)
                    return value;
            }

            throw new InvalidDataException("a number of more than ten bytes");
        }
    }
}
