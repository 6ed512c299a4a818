using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Text;
using RlHarness.Core.Errors;

namespace RlHarness.Formats.Files;

/// <summary>Reads GGUF's header from front to back; each read checks that the bytes are there.</summary>
internal sealed class GgufReader(MappedFile file)
{
    // The longest chat templates have 20 KB, the largest vocabularies 262,144 tokens and a million merges.
    private const int LongestText = 1 << 24,
        MostTexts = 1 << 22,
        MostNumbers = 1 << 24;
    private long _items;

    public long Position { get; private set; }

    public ReadOnlySpan<byte> Take(long count, string what)
    {
        if (count < 0 || count > file.Length - Position)
        {
            throw HarnessException.BadFile(
                file.Path,
                $"cut short while reading {what} at byte {Position}",
                $"{file.Length - Position} bytes left",
                $"{count}",
                "fetch the file again"
            );
        }

        var bytes = file.Slice(Position, count);
        Position += count;
        return bytes;
    }

    public uint UInt32(string what) => BinaryPrimitives.ReadUInt32LittleEndian(Take(4, what));

    public ulong UInt64(string what) => BinaryPrimitives.ReadUInt64LittleEndian(Take(8, what));

    /// <summary>A count of things that take at least <paramref name="smallest"/> bytes each, so that garbage cannot ask for endless memory.</summary>
    public int Count(int smallest, string what, int most = int.MaxValue)
    {
        var count = UInt64(what);
        if (count > (ulong)most)
            throw HarnessException.BadFile(file.Path, $"too large a {what} (byte {Position - 8})", $"{count}", $"at most {most}", "fetch the file again");
        if (count > (ulong)((file.Length - Position) / smallest) || count > int.MaxValue)
        {
            throw HarnessException.BadFile(
                file.Path,
                $"cut short, or garbage, at the {what} (byte {Position - 8})",
                $"{count}",
                $"at most {(file.Length - Position) / smallest} fit in the file",
                "fetch the file again"
            );
        }

        return (int)count;
    }

    public string String(string what)
    {
        var bytes = Take(Count(1, $"length of {what}", LongestText), what);
        return Encoding.UTF8.GetString(bytes);
    }

    public object Value(uint type, string key, int depth) =>
        type switch
        {
            0 => Take(1, key)[0],
            1 => (sbyte)Take(1, key)[0],
            2 => BinaryPrimitives.ReadUInt16LittleEndian(Take(2, key)),
            3 => BinaryPrimitives.ReadInt16LittleEndian(Take(2, key)),
            4 => UInt32(key),
            5 => BinaryPrimitives.ReadInt32LittleEndian(Take(4, key)),
            6 => BinaryPrimitives.ReadSingleLittleEndian(Take(4, key)),
            7 => Take(1, key)[0] != 0,
            8 => String(key),
            9 => Array(key, depth),
            10 => UInt64(key),
            11 => BinaryPrimitives.ReadInt64LittleEndian(Take(8, key)),
            12 => BinaryPrimitives.ReadDoubleLittleEndian(Take(8, key)),
            _ => throw HarnessException.BadFile(file.Path, $"metadata '{key}' has an unknown type", $"{type}", "0 to 12", "fetch the file again"),
        };

    private object Array(string key, int depth)
    {
        if (depth > 4)
            throw HarnessException.BadFile(file.Path, $"metadata '{key}' nests arrays too deeply");
        var type = UInt32(key);
        switch (type)
        {
            case 0:
                return Take(Items(1, key, MostNumbers), key).ToArray();
            case 1:
                return Numbers<sbyte>(key);
            case 2:
                return Numbers<ushort>(key);
            case 3:
                return Numbers<short>(key);
            case 4:
                return Numbers<uint>(key);
            case 5:
                return Numbers<int>(key);
            case 6:
                return Numbers<float>(key);
            case 7:
                return System.Array.ConvertAll(Take(Items(1, key, MostNumbers), key).ToArray(), flag => flag != 0);
            case 8:
                var strings = new string[Items(8, key, MostTexts)];
                for (var i = 0; i < strings.Length; i++)
                    strings[i] = String(key);
                return strings;
            case 10:
                return Numbers<ulong>(key);
            case 11:
                return Numbers<long>(key);
            case 12:
                return Numbers<double>(key);
            default:
                var values = new object[Items(type == 9 ? 12 : 1, key, 1 << 16)];
                for (var i = 0; i < values.Length; i++)
                    values[i] = Value(type, key, depth + 1);
                return values;
        }
    }

    // All arrays together are bounded as well: a sparse file may have many.
    private int Items(int smallest, string key, int most)
    {
        var count = Count(smallest, key, most);
        _items += count;
        return _items <= 1 << 25
            ? count
            : throw HarnessException.BadFile(file.Path, $"metadata '{key}' makes the arrays too large", $"{_items} items in all", $"at most {1 << 25}");
    }

    private T[] Numbers<T>(string key)
        where T : unmanaged
    {
        var width = Marshal.SizeOf<T>();
        var count = Items(width, key, MostNumbers);
        return MemoryMarshal.Cast<byte, T>(Take((long)count * width, key)).ToArray();
    }
}
