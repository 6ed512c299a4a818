using System.Runtime.Intrinsics;

namespace RlHarness.Models.Kernels;

/// <summary>The largest number of a row.</summary>
internal static unsafe class RowMaximum
{
    /// <summary>−∞ for an empty row.</summary>
    internal static float Of<T>(byte* row, long count)
        where T : IElement
    {
        var largest = Vector512.Create(float.NegativeInfinity);
        long i = 0;
        for (; i + 16 <= count; i += 16)
            largest = Vector512.Max(largest, T.Load(row + i * T.Size));
        var result = Of(largest);
        for (; i < count; i++)
            result = MathF.Max(result, T.Get(row + i * T.Size));
        return result;
    }

    internal static float Of(Vector512<float> lanes)
    {
        var half = Vector256.Max(lanes.GetLower(), lanes.GetUpper());
        var quarter = Vector128.Max(half.GetLower(), half.GetUpper());
        return MathF.Max(MathF.Max(quarter[0], quarter[1]), MathF.Max(quarter[2], quarter[3]));
    }
}
