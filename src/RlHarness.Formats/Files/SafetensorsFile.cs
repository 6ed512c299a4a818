using System.Buffers.Binary;
using System.Text.Json;
using System.Text.Unicode;
using RlHarness.Core.Errors;

namespace RlHarness.Formats.Files;

/// <summary>
/// One safetensors file: 8 bytes of header length, a JSON header, then the data. The same things are refused as by the reference implementation:
/// offsets that overlap, leave a gap or do not cover the file, and lengths that are not shape × type.
/// </summary>
public sealed class SafetensorsFile : IWeightFile
{
    private const long LargestHeader = 100_000_000;
    private const string Again = "fetch or write the file again; a folder whose files are Git LFS pointers has to be fetched with its data";
    private readonly MappedFile _file;

    private SafetensorsFile(MappedFile file, Dictionary<string, WeightEntry> entries, Dictionary<string, string> metadata) =>
        (_file, Entries, Metadata) = (file, entries, metadata);

    public string Path => _file.Path;

    public IReadOnlyDictionary<string, WeightEntry> Entries { get; }

    /// <summary>The header's <c>__metadata__</c>; empty where it is absent.</summary>
    public IReadOnlyDictionary<string, string> Metadata { get; }

    /// <exception cref="HarnessException">The file is missing, cut or not safetensors.</exception>
    public static SafetensorsFile Open(string path)
    {
        var file = MappedFile.Open(path, 10, "safetensors");
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

    public void Dispose() => _file.Dispose();

    private static SafetensorsFile Read(MappedFile file)
    {
        var stated = BinaryPrimitives.ReadUInt64LittleEndian(file.Slice(0, 8));
        var room = (ulong)Math.Min(file.Length - 8, LargestHeader);
        if (stated < 2 || stated > room)
        {
            throw HarnessException.BadFile(
                file.Path,
                "not a safetensors file, or a cut one",
                $"a header length of {stated} in a file of {file.Length} bytes",
                $"2 to {room}",
                Again
            );
        }

        var header = file.Slice(8, (long)stated);
        if (header[0] != (byte)'{' || !Utf8.IsValid(header))
        {
            throw HarnessException.BadFile(file.Path, "not a safetensors file", "a header that is not a JSON object in UTF-8", "'{' at byte 8", Again);
        }

        try
        {
            using var json = JsonDocument.Parse(header.ToArray());
            return Read(file, json.RootElement, 8 + (long)stated);
        }
        catch (JsonException e)
        {
            throw HarnessException.BadFile(file.Path, "the safetensors header is not JSON", e.Message, "a JSON object", Again, e);
        }
    }

    private static SafetensorsFile Read(MappedFile file, JsonElement root, long dataStart)
    {
        var entries = new Dictionary<string, WeightEntry>(StringComparer.Ordinal);
        var metadata = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var property in root.EnumerateObject())
        {
            if (property.Name == "__metadata__")
            {
                if (property.Value.ValueKind != JsonValueKind.Object)
                    throw Bad(file, "__metadata__", "is not an object", property.Value);
                foreach (var pair in property.Value.EnumerateObject())
                {
                    if (pair.Value.ValueKind != JsonValueKind.String)
                        throw Bad(file, $"__metadata__.{pair.Name}", "is not a string", pair.Value);
                    metadata[pair.Name] = pair.Value.GetString()!;
                }
            }
            else if (!entries.TryAdd(property.Name, Entry(file, property.Name, property.Value, dataStart)))
            {
                throw HarnessException.BadFile(file.Path, $"two weights are named '{property.Name}'", remedy: Again);
            }
        }

        var at = dataStart;
        foreach (var entry in entries.Values.OrderBy(entry => entry.Offset).ThenBy(entry => entry.Length))
        {
            if (entry.Offset != at)
            {
                throw HarnessException.BadFile(
                    file.Path,
                    $"weight '{entry.Name}' {(entry.Offset < at ? "overlaps the one before it" : "leaves a gap before it")}",
                    $"begin at {entry.Offset - dataStart}",
                    $"begin at {at - dataStart}",
                    Again
                );
            }

            at += entry.Length;
        }

        if (at != file.Length)
        {
            throw HarnessException.BadFile(
                file.Path,
                at > file.Length ? "cut short" : "bytes after the last weight",
                $"{file.Length} bytes",
                $"{at} bytes, by the header",
                Again
            );
        }

        return new SafetensorsFile(file, entries, metadata);
    }

    private static WeightEntry Entry(MappedFile file, string name, JsonElement json, long dataStart)
    {
        if (json.ValueKind != JsonValueKind.Object)
            throw Bad(file, name, "is not an object", json);
        if (!json.TryGetProperty("dtype", out var dtype) || dtype.ValueKind != JsonValueKind.String)
            throw Bad(file, name, "has no dtype", json);
        if (!WeightTypes.TrySafetensors(dtype.GetString()!, out var type))
        {
            throw HarnessException.BadFile(
                file.Path,
                $"weight '{name}' has an unknown dtype",
                dtype.GetString(),
                string.Join(", ", WeightTypes.SafetensorsNames),
                "convert the weights to bf16 or f32"
            );
        }

        var shape = Numbers(file, name, json, "shape");
        var offsets = Numbers(file, name, json, "data_offsets");
        if (offsets.Length != 2 || offsets[1] < offsets[0])
            throw Bad(file, name, "has data_offsets that are not [begin, end]", json);
        if (offsets[1] > file.Length - dataStart)
        {
            throw HarnessException.BadFile(
                file.Path,
                $"weight '{name}' lies outside the file",
                $"{file.Length - dataStart} bytes of data",
                $"at least {offsets[1]}",
                Again
            );
        }

        var bytes = WeightTypes.ByteLength(type, shape);
        if (bytes != offsets[1] - offsets[0])
        {
            throw HarnessException.BadFile(
                file.Path,
                $"weight '{name}' has the wrong length",
                $"{offsets[1] - offsets[0]} bytes",
                $"{bytes} bytes for {type} [{string.Join(", ", shape)}]",
                Again
            );
        }

        return new WeightEntry(name, type, shape, dataStart + offsets[0], bytes);
    }

    private static long[] Numbers(MappedFile file, string name, JsonElement json, string key)
    {
        if (!json.TryGetProperty(key, out var array) || array.ValueKind != JsonValueKind.Array)
            throw Bad(file, name, $"has no {key}", json);
        var numbers = new long[array.GetArrayLength()];
        for (var i = 0; i < numbers.Length; i++)
        {
            var item = array[i];
            if (item.ValueKind != JsonValueKind.Number || !item.TryGetInt64(out numbers[i]) || numbers[i] < 0)
            {
                throw Bad(file, name, $"has a {key} that is not whole numbers from 0", json);
            }
        }

        return numbers;
    }

    private static HarnessException Bad(MappedFile file, string name, string what, JsonElement found)
    {
        var text = found.GetRawText();
        return HarnessException.BadFile(
            file.Path,
            $"header entry '{name}' {what}",
            text.Length > 200 ? text[..200] + "…" : text,
            "{\"dtype\", \"shape\", \"data_offsets\"}",
            Again
        );
    }
}
