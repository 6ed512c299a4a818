#if EVENTS
using System.Buffers.Binary;
using Google.Protobuf;

namespace RlHarness.Tests;

/// <summary>
/// Reads TensorBoard's event files by the description of their format (tensorflow/core/lib/io/record_writer, event.proto, summary.proto), with a CRC-32C by
/// bits; knows nothing of the writer.
/// </summary>
internal static class EventRecords
{
    /// <param name="Value">Of a scalar; null otherwise.</param>
    /// <param name="Text">Of a text's tensor; null otherwise.</param>
    /// <param name="Histogram">Fields min, max, num, sum, sum_squares, then limits and counts; null otherwise.</param>
    internal sealed record Item(string Tag, float? Value, string? Plugin, byte[] Content, string? Text, double[][]? Histogram);

    /// <param name="Status">Of a SessionLog; 1 is START, null where the event has none.</param>
    internal sealed record Event(double Time, long Step, string? Version, int? Status, IReadOnlyList<Item> Items);

    /// <summary>CRC-32C (Castagnoli, reflected polynomial 0x82F63B78), bit by bit.</summary>
    internal static uint Crc32C(ReadOnlySpan<byte> bytes)
    {
        var crc = uint.MaxValue;
        foreach (var b in bytes)
        {
            crc ^= b;
            for (var bit = 0; bit < 8; bit++)
                crc = (crc & 1) != 0 ? (crc >> 1) ^ 0x82F63B78u : crc >> 1;
        }

        return ~crc;
    }

    internal static IReadOnlyList<Event> Read(string path)
    {
        var bytes = File.ReadAllBytes(path);
        var events = new List<Event>();
        for (var at = 0; at < bytes.Length; )
        {
            var length = (int)BinaryPrimitives.ReadUInt64LittleEndian(bytes.AsSpan(at));
            Check(bytes.AsSpan(at, 8), bytes.AsSpan(at + 8));
            var body = bytes.AsSpan(at + 12, length);
            Check(body, bytes.AsSpan(at + 12 + length));
            events.Add(Parse(body.ToArray()));
            at += 16 + length;
        }

        return events;
    }

    /// <summary>
    /// What a folder shows: files in the order of their names, and a START takes back what was read of its step and later ones. Values by tag.
    /// </summary>
    internal static IReadOnlyDictionary<string, IReadOnlyList<(long Step, double Time, float Value)>> Shown(string folder)
    {
        var series = new Dictionary<string, List<(long Step, double Time, float Value)>>(StringComparer.Ordinal);
        foreach (var file in Directory.GetFiles(folder, "*tfevents*").Order(StringComparer.Ordinal))
        foreach (var e in Read(file))
        {
            if (e.Status == 1)
                foreach (var values in series.Values)
                    values.RemoveAll(v => v.Step >= e.Step);
            foreach (var item in e.Items.Where(i => i.Value is not null))
            {
                if (!series.TryGetValue(item.Tag, out var values))
                    series[item.Tag] = values = [];
                values.Add((e.Step, e.Time, item.Value!.Value));
            }
        }

        return series.ToDictionary(s => s.Key, s => (IReadOnlyList<(long, double, float)>)s.Value);
    }

    private static void Check(ReadOnlySpan<byte> data, ReadOnlySpan<byte> stored)
    {
        var unmasked = BinaryPrimitives.ReadUInt32LittleEndian(stored) - 0xa282ead8u;
        Assert.Equal(Crc32C(data), (unmasked >> 17) | (unmasked << 15));
    }

    private static Event Parse(byte[] body)
    {
        var (time, step, version, status, items) = (0.0, 0L, (string?)null, (int?)null, new List<Item>());
        Fields(body, (field, input) =>
        {
            switch (field)
            {
                case 1:
                    time = input.ReadDouble();
                    break;
                case 2:
                    step = input.ReadInt64();
                    break;
                case 3:
                    version = input.ReadString();
                    break;
                case 5:
                    Fields(input.ReadBytes().ToByteArray(), (f, summary) => items.Add(ParseItem(summary.ReadBytes().ToByteArray())));
                    break;
                case 7:
                    Fields(input.ReadBytes().ToByteArray(), (f, log) => status = (int)log.ReadInt64());
                    break;
                default:
                    Assert.Fail($"field {field} of an event");
                    break;
            }
        });
        return new(time, step, version, status, items);
    }

    private static Item ParseItem(byte[] body)
    {
        var item = new Item("", null, null, [], null, null);
        Fields(body, (field, input) =>
        {
            switch (field)
            {
                case 1:
                    item = item with { Tag = input.ReadString() };
                    break;
                case 2:
                    item = item with { Value = input.ReadFloat() };
                    break;
                case 5:
                    item = item with { Histogram = ParseHistogram(input.ReadBytes().ToByteArray()) };
                    break;
                case 8:
                    Fields(input.ReadBytes().ToByteArray(), (f, tensor) =>
                    {
                        if (f == 8)
                            item = item with { Text = tensor.ReadString() };
                        else
                            tensor.SkipLastField();
                    });
                    break;
                case 9:
                    Fields(input.ReadBytes().ToByteArray(), (f, metadata) =>
                    {
                        if (f == 1)
                            Fields(metadata.ReadBytes().ToByteArray(), (g, plugin) =>
                                item = g == 1 ? item with { Plugin = plugin.ReadString() } : item with { Content = plugin.ReadBytes().ToByteArray() }
                            );
                        else
                            metadata.SkipLastField();
                    });
                    break;
                default:
                    Assert.Fail($"field {field} of a value");
                    break;
            }
        });
        return item;
    }

    private static double[][] ParseHistogram(byte[] body)
    {
        var parts = new double[7][];
        Fields(body, (field, input) =>
        {
            if (field <= 5)
                parts[field - 1] = [input.ReadDouble()];
            else
            {
                var packed = input.ReadBytes().ToByteArray();
                parts[field - 1] = [.. packed.Chunk(8).Select(c => BinaryPrimitives.ReadDoubleLittleEndian(c))];
            }
        });
        return parts;
    }

    private static void Fields(byte[] body, Action<int, CodedInputStream> read)
    {
        using var input = new CodedInputStream(body);
        for (var tag = input.ReadTag(); tag != 0; tag = input.ReadTag())
            read(WireFormat.GetTagFieldNumber(tag), input);
    }
}
#endif
