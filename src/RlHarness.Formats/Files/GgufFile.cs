using RlHarness.Core.Errors;

namespace RlHarness.Formats.Files;

/// <summary>One GGUF file, version 2 or 3, little-endian (https://github.com/ggml-org/ggml/blob/master/docs/gguf.md).</summary>
public sealed class GgufFile : IWeightFile
{
    // Far above what models have: a file may be as long as its writer likes, and a table of that size must not be made of it.
    private const int MostTensors = 1 << 18,
        MostPairs = 1 << 14;

    private readonly MappedFile _file;

    private GgufFile(MappedFile file, uint version, long alignment, Dictionary<string, object> metadata, Dictionary<string, WeightEntry> entries) =>
        (_file, Version, Alignment, Metadata, Entries) = (file, version, alignment, metadata, entries);

    public string Path => _file.Path;

    public uint Version { get; }

    public long Alignment { get; }

    /// <summary>
    /// Values as .NET's own types: numbers in the width that the file has, bool, string, and arrays of these (<c>string[]</c>, <c>int[]</c>,
    /// <c>float[]</c>, …); an array of arrays is <c>object[]</c>.
    /// </summary>
    public IReadOnlyDictionary<string, object> Metadata { get; }

    public IReadOnlyDictionary<string, WeightEntry> Entries { get; }

    /// <exception cref="HarnessException">The file is missing, cut, not GGUF, or has a type that is not read.</exception>
    public static GgufFile Open(string path)
    {
        var file = MappedFile.Open(path, 24, "GGUF");
        try
        {
            return Read(file);
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    public ReadOnlySpan<byte> Bytes(WeightEntry entry) => _file.Slice(entry.Offset, entry.Length);

    public ReadOnlySpan<byte> Bytes(WeightEntry entry, long start, int count)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(start);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(count, entry.Length - start);
        return _file.Slice(entry.Offset + start, count);
    }

    /// <summary>A metadata value of a given type.</summary>
    /// <exception cref="HarnessException">It is absent or of another type.</exception>
    public T Require<T>(string key)
    {
        if (!Metadata.TryGetValue(key, out var value))
            throw HarnessException.BadFile(Path, $"metadata '{key}' is absent", expected: typeof(T).Name);
        return value is T typed ? typed : throw HarnessException.BadFile(Path, $"metadata '{key}' has another type", value.GetType().Name, typeof(T).Name);
    }

    /// <summary>A whole number from the metadata in whatever width the file has it; null where it is absent.</summary>
    public long? Integer(string key) =>
        !Metadata.TryGetValue(key, out var value)
            ? null
            : value switch
            {
                byte x => x,
                sbyte x => x,
                ushort x => x,
                short x => x,
                uint x => x,
                int x => x,
                long x => x,
                ulong x when x <= long.MaxValue => (long)x,
                _ => throw HarnessException.BadFile(Path, $"metadata '{key}' is not a whole number", value.GetType().Name),
            };

    public void Dispose() => _file.Dispose();

    private static GgufFile Read(MappedFile file)
    {
        var reader = new GgufReader(file);
        if (!reader.Take(4, "magic").SequenceEqual("GGUF"u8))
        {
            throw HarnessException.BadFile(file.Path, "not a GGUF file", "other first bytes", "'GGUF'", "give a .gguf file, or a Hugging Face folder");
        }

        var version = reader.UInt32("version");
        if (version is < 2 or > 3)
        {
            var swapped = System.Buffers.Binary.BinaryPrimitives.ReverseEndianness(version);
            throw HarnessException.BadFile(
                file.Path,
                "a version of GGUF that is not read",
                swapped is >= 1 and <= 3 ? $"{swapped}, big-endian" : $"{version}",
                "2 or 3, little-endian",
                "convert the file anew"
            );
        }

        var tensors = reader.Count(8 + 4 + 4 + 8, "number of tensors", MostTensors);
        var pairs = reader.Count(8 + 4 + 1, "number of metadata pairs", MostPairs);
        var metadata = new Dictionary<string, object>(StringComparer.Ordinal);
        for (var i = 0; i < pairs; i++)
        {
            var key = reader.String("metadata key");
            if (!metadata.TryAdd(key, reader.Value(reader.UInt32(key), key, 0)))
                throw HarnessException.BadFile(file.Path, $"metadata '{key}' is there twice", remedy: "convert the file anew");
        }

        var alignment = metadata.TryGetValue("general.alignment", out var stated)
            ? stated is uint value
                ? value
                : 0
            : 32;
        if (alignment == 0 || (alignment & (alignment - 1)) != 0)
        {
            throw HarnessException.BadFile(file.Path, "general.alignment is not a power of two", stated?.ToString(), "32, as a uint32");
        }

        return new GgufFile(file, version, alignment, metadata, Tensors(file, reader, tensors, alignment));
    }

    private static Dictionary<string, WeightEntry> Tensors(MappedFile file, GgufReader reader, int count, long alignment)
    {
        var read = new List<(string Name, long[] Shape, WeightType Type, ulong Offset)>(count);
        for (var i = 0; i < count; i++)
        {
            var name = reader.String("tensor name");
            var dimensions = reader.UInt32(name);
            if (dimensions > 4)
                throw HarnessException.BadFile(file.Path, $"tensor '{name}' has an impossible number of dimensions", $"{dimensions}", "up to 4");
            var shape = new long[dimensions];
            for (var d = (int)dimensions - 1; d >= 0; d--)
            {
                var size = reader.UInt64(name);
                shape[d] = size <= long.MaxValue ? (long)size : -1;
            }

            var number = reader.UInt32(name);
            if (!WeightTypes.TryGgml(number, out var type))
            {
                throw HarnessException.BadFile(
                    file.Path,
                    $"tensor '{name}' has a type that is not read",
                    WeightTypes.GgmlName(number),
                    string.Join(", ", WeightTypes.GgmlNames),
                    "use another quantisation of the model"
                );
            }

            read.Add((name, shape, type, reader.UInt64(name)));
        }

        var start = (reader.Position + alignment - 1) / alignment * alignment;
        var entries = new Dictionary<string, WeightEntry>(StringComparer.Ordinal);
        foreach (var (name, shape, type, offset) in read)
        {
            if (offset % (ulong)alignment != 0)
                throw HarnessException.BadFile(
                    file.Path,
                    $"tensor '{name}' does not begin at a multiple of general.alignment",
                    $"offset {offset}",
                    $"a multiple of {alignment}",
                    "convert the file anew"
                );
            var length = WeightTypes.ByteLength(type, shape);
            if (length < 0)
                throw HarnessException.BadFile(file.Path, $"tensor '{name}' has an impossible shape", $"{type} [{string.Join(", ", shape)}]");
            var end = (UInt128)(ulong)start + offset + (ulong)length;
            if (end > (ulong)file.Length)
            {
                throw HarnessException.BadFile(
                    file.Path,
                    $"cut short: tensor '{name}' lies outside the file",
                    $"{file.Length} bytes",
                    $"at least {end} bytes",
                    "fetch the file again"
                );
            }

            if (!entries.TryAdd(name, new WeightEntry(name, type, shape, start + (long)offset, length)))
            {
                throw HarnessException.BadFile(file.Path, $"two tensors are named '{name}'");
            }
        }

        NoOverlap(file, entries.Values);
        return entries;
    }

    private static void NoOverlap(MappedFile file, IEnumerable<WeightEntry> entries)
    {
        WeightEntry? last = null;
        foreach (var entry in entries.Where(entry => entry.Length > 0).OrderBy(entry => entry.Offset))
        {
            if (last is not null && entry.Offset < last.Offset + last.Length)
                throw HarnessException.BadFile(
                    file.Path,
                    $"tensors '{last.Name}' and '{entry.Name}' lie over each other",
                    $"bytes {last.Offset} to {last.Offset + last.Length} and {entry.Offset} to {entry.Offset + entry.Length}",
                    "tensors one behind the other",
                    "convert the file anew"
                );
            last = entry;
        }
    }
}
