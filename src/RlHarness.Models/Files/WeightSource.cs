namespace RlHarness.Models.Files;

/// <summary>
/// A weight to be written; <paramref name="WriteTo"/> is called once, when its turn comes, and writes exactly the bytes of its shape and type.
/// </summary>
public sealed record WeightSource(string Name, WeightType Type, long[] Shape, Action<Stream> WriteTo)
{
    public WeightSource(string name, WeightType type, long[] shape, ReadOnlyMemory<byte> bytes)
        : this(name, type, shape, stream => stream.Write(bytes.Span)) { }
}
