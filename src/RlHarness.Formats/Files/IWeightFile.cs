namespace RlHarness.Formats.Files;

/// <summary>Named weights in one file or a set of files, mapped into memory.</summary>
public interface IWeightFile : IDisposable
{
    /// <summary>The file, or the folder of a set.</summary>
    string Path { get; }

    IReadOnlyDictionary<string, WeightEntry> Entries { get; }

    /// <summary>The stored bytes, not copied; valid until the file is disposed. An entry of more than 2 GiB is read in parts.</summary>
    ReadOnlySpan<byte> Bytes(WeightEntry entry);

    /// <summary>A part of the stored bytes, from <paramref name="start"/> within the entry.</summary>
    ReadOnlySpan<byte> Bytes(WeightEntry entry, long start, int count);
}

/// <summary>One weight of a file.</summary>
/// <param name="Name">As the file spells it.</param>
/// <param name="Type">How its numbers are stored.</param>
/// <param name="Shape">Row-major, in Hugging Face's order: the last dimension is contiguous (GGUF's own order is the reverse).</param>
/// <param name="Offset">First byte, counted from the start of the file that holds it.</param>
/// <param name="Length">Bytes.</param>
public sealed record WeightEntry(string Name, WeightType Type, long[] Shape, long Offset, long Length)
{
    /// <summary>The number of elements.</summary>
    public long Elements => WeightTypes.Elements(Shape);
}

/// <summary>
/// A weight to be written; <paramref name="WriteTo"/> is called once, when its turn comes, and writes exactly the bytes of its shape and type.
/// </summary>
public sealed record WeightSource(string Name, WeightType Type, long[] Shape, Action<Stream> WriteTo)
{
    public WeightSource(string name, WeightType type, long[] shape, ReadOnlyMemory<byte> bytes)
        : this(name, type, shape, stream => stream.Write(bytes.Span)) { }
}
