namespace RlHarness.Models.Files;

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
