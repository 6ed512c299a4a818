using System.Text;
using RlHarness.Core.Errors;
using RlHarness.Core.Files;

namespace RlHarness.Formats.Files;

/// <summary>
/// Writes GGUF, version 3, there whole or not at all. Weights are given as their bytes in F32, F16, BF16 or a block type, in Hugging Face's shape;
/// <see cref="Quantizer"/> makes such bytes from floats.
/// </summary>
public static class GgufWriter
{
    private const int Alignment = 32;

    /// <param name="path">The file.</param>
    /// <param name="metadata">Numbers, bools, strings and arrays of one type of them, as <see cref="GgufFile.Metadata"/> gives them; written in this
    /// order.</param>
    /// <param name="weights">Written in this order.</param>
    public static void Write(string path, IEnumerable<KeyValuePair<string, object>> metadata, IReadOnlyList<WeightSource> weights)
    {
        var pairs = metadata.Where(pair => pair.Key != "general.alignment").ToArray();
        AtomicFile.Write(path, file =>
        {
            var stream = new BufferedStream(file, 1 << 20);
            using var writer = new BinaryWriter(stream, Encoding.UTF8, leaveOpen: true);
            writer.Write("GGUF"u8);
            writer.Write(3u);
            writer.Write((ulong)weights.Count);
            writer.Write((ulong)pairs.Length);
            foreach (var (key, value) in pairs)
            {
                Text(writer, key);
                writer.Write(Number(value.GetType(), key));
                Value(writer, value, key);
            }

            ulong offset = 0;
            foreach (var weight in weights)
            {
                var length = WeightTypes.ByteLength(weight.Type, weight.Shape);
                if (WeightTypes.GgmlNumber(weight.Type) < 0)
                    throw new ArgumentException($"{weight.Name}: GGUF has no type {weight.Type}", nameof(weights));
                if (length < 0)
                    throw new ArgumentException($"{weight.Name}: impossible shape for {weight.Type}: [{string.Join(", ", weight.Shape)}]", nameof(weights));
                Text(writer, weight.Name);
                writer.Write((uint)weight.Shape.Length);
                foreach (var dimension in weight.Shape.Reverse())
                    writer.Write((ulong)dimension);
                writer.Write((uint)WeightTypes.GgmlNumber(weight.Type));
                writer.Write(offset);
                offset += (ulong)Padded(length);
            }

            writer.Flush();
            foreach (var weight in weights)
            {
                Pad(stream);
                var before = stream.Position;
                weight.WriteTo(stream);
                var expected = WeightTypes.ByteLength(weight.Type, weight.Shape);
                if (stream.Position - before != expected)
                    throw new InvalidOperationException($"weight '{weight.Name}' wrote {stream.Position - before} bytes, its shape takes {expected}");
            }

            Pad(stream);
            stream.Flush();
        });
    }

    private static long Padded(long length) => (length + Alignment - 1) / Alignment * Alignment;

    private static void Pad(Stream stream)
    {
        while (stream.Position % Alignment != 0)
            stream.WriteByte(0);
    }

    private static void Text(BinaryWriter writer, string text)
    {
        var bytes = Encoding.UTF8.GetBytes(text);
        writer.Write((ulong)bytes.Length);
        writer.Write(bytes);
    }

    private static uint Number(Type type, string key) =>
        type switch
        {
            _ when type == typeof(byte) => 0,
            _ when type == typeof(sbyte) => 1,
            _ when type == typeof(ushort) => 2,
            _ when type == typeof(short) => 3,
            _ when type == typeof(uint) => 4,
            _ when type == typeof(int) => 5,
            _ when type == typeof(float) => 6,
            _ when type == typeof(bool) => 7,
            _ when type == typeof(string) => 8,
            { IsArray: true } => 9,
            _ when type == typeof(ulong) => 10,
            _ when type == typeof(long) => 11,
            _ when type == typeof(double) => 12,
            _ => throw new ArgumentException($"metadata '{key}': GGUF has no value of type {type}"),
        };

    private static void Value(BinaryWriter writer, object value, string key)
    {
        switch (value)
        {
            case byte x:
                writer.Write(x);
                break;
            case sbyte x:
                writer.Write(x);
                break;
            case ushort x:
                writer.Write(x);
                break;
            case short x:
                writer.Write(x);
                break;
            case uint x:
                writer.Write(x);
                break;
            case int x:
                writer.Write(x);
                break;
            case float x:
                writer.Write(x);
                break;
            case bool x:
                writer.Write(x);
                break;
            case string x:
                Text(writer, x);
                break;
            case ulong x:
                writer.Write(x);
                break;
            case long x:
                writer.Write(x);
                break;
            case double x:
                writer.Write(x);
                break;
            default:
                var array = (Array)value;
                var element = value.GetType().GetElementType()!;
                if (element == typeof(object))
                    throw new ArgumentException($"metadata '{key}': an array needs one type");
                writer.Write(Number(element, key));
                writer.Write((ulong)array.Length);
                foreach (var item in array)
                    Value(writer, item, key);
                break;
        }
    }

    public static HarnessException Unsupported(string path, string found, string expected) =>
        HarnessException.BadFile(path, "can't be written as GGUF; nothing was written", found, expected, "convert to a Hugging Face folder instead");
}
