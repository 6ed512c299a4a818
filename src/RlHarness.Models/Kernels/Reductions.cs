using System.Runtime.Intrinsics;
using static TorchSharp.torch;

// Symbols: N numbers.
namespace RlHarness.Models.Kernels;

/// <summary>Adds a bfloat16 tensor to an fp32 one where it lies; libtorch converts it in a pass of its own first.</summary>
internal static unsafe class GradientSum
{
    private const long NumbersAtOnce = 1 << 15;

    /// <summary>total fp32 += part, of one shape.</summary>
    internal static void Add(Tensor total, Tensor part)
    {
        if (!FusedKernels.Apply(total) || part.dtype != ScalarType.BFloat16 || !total.is_contiguous() || !part.is_contiguous())
        {
            total.add_(part);
            return;
        }

        var sum = (float*)FusedKernels.Address(total);
        var added = FusedKernels.Address(part);
        CpuThreads.For(total.numel(), NumbersAtOnce, (from, to) =>
        {
            var i = from;
            for (; i + 16 <= to; i += 16)
                Vector512.Store(Vector512.Load(sum + i) + BFloat16Element.Load(added + 2 * i), sum + i);
            for (; i < to; i++)
                sum[i] += BFloat16Element.Get(added + 2 * i);
        });
    }
}

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
