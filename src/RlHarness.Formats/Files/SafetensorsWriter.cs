using System.Buffers.Binary;
using System.Text.Encodings.Web;
using System.Text.Json;
using RlHarness.Core.Files;

namespace RlHarness.Formats.Files;

/// <summary>Writes a safetensors file that is there whole or not at all. The same weights give the same bytes, in whatever order they come.</summary>
public static class SafetensorsWriter
{
    private static readonly JsonWriterOptions Options = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>Weights are laid down by element size, widest first, then by name, so that each begins at a multiple of its element size.</summary>
    public static void Write(string path, IEnumerable<WeightSource> weights, IReadOnlyDictionary<string, string>? metadata = null)
    {
        var sorted = weights.OrderByDescending(weight => WeightTypes.Bytes(weight.Type)).ThenBy(weight => weight.Name, StringComparer.Ordinal).ToArray();
        var lengths = new long[sorted.Length];
        var names = new HashSet<string>(StringComparer.Ordinal) { "__metadata__" };
        for (var i = 0; i < sorted.Length; i++)
        {
            var weight = sorted[i];
            if (!names.Add(weight.Name))
                throw new ArgumentException($"two weights are named '{weight.Name}'", nameof(weights));
            if (WeightTypes.SafetensorsName(weight.Type) is null)
                throw new ArgumentException($"{weight.Name}: safetensors has no type {weight.Type}", nameof(weights));
            lengths[i] = WeightTypes.ByteLength(weight.Type, weight.Shape);
            if (lengths[i] < 0)
                throw new ArgumentException($"{weight.Name}: impossible shape [{string.Join(", ", weight.Shape)}]", nameof(weights));
        }

        var header = Header(sorted, lengths, metadata);
        AtomicFile.Write(path, file =>
        {
            var stream = new BufferedStream(file, 1 << 20);
            Span<byte> size = stackalloc byte[8];
            BinaryPrimitives.WriteInt64LittleEndian(size, header.Length);
            stream.Write(size);
            stream.Write(header);
            for (var i = 0; i < sorted.Length; i++)
            {
                var before = stream.Position;
                sorted[i].WriteTo(stream);
                if (stream.Position - before != lengths[i])
                {
                    throw new InvalidOperationException($"weight '{sorted[i].Name}' wrote {stream.Position - before} bytes, its shape takes {lengths[i]}");
                }
            }

            stream.Flush();
        });
    }

    private static byte[] Header(WeightSource[] weights, long[] lengths, IReadOnlyDictionary<string, string>? metadata)
    {
        using var buffer = new MemoryStream();
        using (var json = new Utf8JsonWriter(buffer, Options))
        {
            json.WriteStartObject();
            if (metadata is { Count: > 0 })
            {
                json.WriteStartObject("__metadata__");
                foreach (var (key, value) in metadata.OrderBy(pair => pair.Key, StringComparer.Ordinal))
                    json.WriteString(key, value);
                json.WriteEndObject();
            }

            long offset = 0;
            for (var i = 0; i < weights.Length; i++)
            {
                json.WriteStartObject(weights[i].Name);
                json.WriteString("dtype", WeightTypes.SafetensorsName(weights[i].Type));
                json.WriteStartArray("shape");
                foreach (var dimension in weights[i].Shape)
                    json.WriteNumberValue(dimension);
                json.WriteEndArray();
                json.WriteStartArray("data_offsets");
                json.WriteNumberValue(offset);
                json.WriteNumberValue(offset += lengths[i]);
                json.WriteEndArray();
                json.WriteEndObject();
            }

            json.WriteEndObject();
        }

        while (buffer.Length % 8 != 0)
            buffer.WriteByte((byte)' ');
        return buffer.ToArray();
    }
}
