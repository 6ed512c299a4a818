using System.Buffers.Binary;
using System.Globalization;
using System.Numerics;
using Google.Protobuf;

namespace RlHarness.Tracking.TensorBoard;

/// <summary>
/// One event file as TensorBoard reads it: records of a length (8 bytes), its masked CRC-32C, the event's bytes, and their masked CRC-32C, all little-endian.
/// Appending only; a file belongs to one process.
/// </summary>
internal sealed class EventFile : IDisposable
{
    private const string Prefix = "events.out.tfevents.";
    private readonly FileStream _stream;

    private EventFile(FileStream stream) => _stream = stream;

    public string Path => _stream.Name;

    /// <summary>
    /// Creates a file whose name sorts behind those that are there: TensorBoard reads the files of a folder in the order of their names, which begin with a
    /// time in whole seconds, and a resume may come within one.
    /// </summary>
    /// <param name="folder">Made where it is not there.</param>
    public static EventFile Create(string folder, DateTimeOffset time)
    {
        Directory.CreateDirectory(folder);
        var seconds = time.ToUnixTimeSeconds();
        foreach (var name in Directory.EnumerateFiles(folder, Prefix + "*").Select(System.IO.Path.GetFileName))
            if (long.TryParse(name![Prefix.Length..].Split('.')[0], NumberStyles.None, CultureInfo.InvariantCulture, out var earlier))
                seconds = Math.Max(seconds, earlier + 1);
        var host = string.Concat(Environment.MachineName.Select(c => char.IsAsciiLetterOrDigit(c) ? c : '-'));
        var path = System.IO.Path.Combine(
            folder,
            string.Create(CultureInfo.InvariantCulture, $"{Prefix}{seconds:D10}.{host}.{Environment.ProcessId}.rlharness")
        );
        var file = new EventFile(new FileStream(path, FileMode.CreateNew, FileAccess.Write, FileShare.Read | FileShare.Delete));
        file.Write(Event(time, 0).Text(3, "brain.Event:2"));
        return file;
    }

    /// <summary>Whether a folder has an event file.</summary>
    public static bool AnyIn(string folder) => Directory.Exists(folder) && Directory.EnumerateFiles(folder, Prefix + "*").Any();

    /// <summary>Says that what earlier files have of this step and later ones counts no more (SessionLog, status START).</summary>
    public void Start(DateTimeOffset time, long step) => Write(Event(time, step).Message(7, new ProtoMessage().Number(1, 1)));

    /// <summary>Writes one event with values of one step, and nothing where there are none.</summary>
    public void Write(DateTimeOffset time, long step, IReadOnlyCollection<ProtoMessage> values)
    {
        if (values.Count == 0)
            return;
        var summary = new ProtoMessage();
        foreach (var value in values)
            summary.Message(1, value);
        Write(Event(time, step).Message(5, summary));
    }

    /// <summary>Everything that was written is on disk when this returns.</summary>
    public void Flush() => _stream.Flush(flushToDisk: true);

    public void Dispose() => _stream.Dispose();

    /// <summary>CRC-32C of some bytes, rotated and shifted by a constant so that a checksum of data that holds checksums stays a good one.</summary>
    internal static uint MaskedCrc(ReadOnlySpan<byte> bytes)
    {
        var crc = uint.MaxValue;
        var at = 0;
        for (; at + 8 <= bytes.Length; at += 8)
            crc = BitOperations.Crc32C(crc, BinaryPrimitives.ReadUInt64LittleEndian(bytes[at..]));
        for (; at < bytes.Length; at++)
            crc = BitOperations.Crc32C(crc, bytes[at]);
        return BitOperations.RotateRight(~crc, 15) + 0xa282ead8u;
    }

    private static ProtoMessage Event(DateTimeOffset time, long step) =>
        new ProtoMessage().Double(1, (time - DateTimeOffset.UnixEpoch).TotalSeconds).Number(2, step);

    private void Write(ProtoMessage message)
    {
        var body = message.ToArray();
        var record = new byte[8 + 4 + body.Length + 4];
        BinaryPrimitives.WriteUInt64LittleEndian(record, (ulong)body.Length);
        BinaryPrimitives.WriteUInt32LittleEndian(record.AsSpan(8), MaskedCrc(record.AsSpan(0, 8)));
        body.CopyTo(record, 12);
        BinaryPrimitives.WriteUInt32LittleEndian(record.AsSpan(12 + body.Length), MaskedCrc(body));
        // In one piece, so that a reader beside this process rarely sees half a record.
        _stream.Write(record);
    }
}

/// <summary>The bytes of a protocol buffer message, field by field in the order of the calls. Fields of their default value are written too.</summary>
internal sealed class ProtoMessage
{
    private readonly MemoryStream _bytes = new();
    private readonly CodedOutputStream _output;

    public ProtoMessage() => _output = new CodedOutputStream(_bytes);

    public ProtoMessage Number(int field, long value)
    {
        _output.WriteTag(field, WireFormat.WireType.Varint);
        _output.WriteInt64(value);
        return this;
    }

    public ProtoMessage Double(int field, double value)
    {
        _output.WriteTag(field, WireFormat.WireType.Fixed64);
        _output.WriteDouble(value);
        return this;
    }

    public ProtoMessage Float(int field, float value)
    {
        _output.WriteTag(field, WireFormat.WireType.Fixed32);
        _output.WriteFloat(value);
        return this;
    }

    public ProtoMessage Text(int field, string value) => Bytes(field, System.Text.Encoding.UTF8.GetBytes(value));

    public ProtoMessage Message(int field, ProtoMessage value) => Bytes(field, value.ToArray());

    public ProtoMessage Bytes(int field, byte[] value)
    {
        _output.WriteTag(field, WireFormat.WireType.LengthDelimited);
        _output.WriteBytes(UnsafeByteOperations.UnsafeWrap(value));
        return this;
    }

    /// <summary>A packed repeated field.</summary>
    public ProtoMessage Doubles(int field, IReadOnlyList<double> values)
    {
        var bytes = new byte[8 * values.Count];
        for (var i = 0; i < values.Count; i++)
            BinaryPrimitives.WriteDoubleLittleEndian(bytes.AsSpan(8 * i), values[i]);
        return Bytes(field, bytes);
    }

    public byte[] ToArray()
    {
        _output.Flush();
        return _bytes.ToArray();
    }
}
