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
