// Symbols: R rows, K inner dimension, O outputs, I inputs.
using System.Runtime.Intrinsics;
using TorchSharp;
using static TorchSharp.torch;

namespace RlHarness.Models.Kernels;

/// <summary>
/// The three matrix products of a layer and its gradient in bfloat16, tile by tile with <see cref="Brgemm"/>. Each thread brings the matrix into pairs as it
/// comes to it, a panel at a time that stays in its cache; gradients of weights are added in fp32 where they lie.
/// </summary>
internal static unsafe class LowPrecisionProducts
{
    /// <summary>Columns of a tile: three vectors, which leave the processor registers for eight rows.</summary>
    private const int Width = 48;

    /// <summary>Rows that are multiplied before their sums are rounded, while they are in the cache.</summary>
    private const int RowsAtOnce = 64;

    /// <summary>Fewer rows don't pay for bringing the matrix into pairs.</summary>
    private const int LeastRows = 64;

    /// <summary>A panel of 48 columns and so many rows fits a core's cache.</summary>
    private const long InnerAtOnce = 2048;

    /// <summary>Rows that gradients of weights are summed over at once.</summary>
    private const int SummedAtOnce = 1024;

    /// <summary>Rows of those are filled up to a multiple of this, so that there are few shapes of tiles.</summary>
    private const int SummedStep = 32;

    /// <summary>So many pieces of work a thread even out what threads lose to others.</summary>
    private const int TasksPerThread = 4;

    /// <summary>Whether these products serve: bfloat16 on the processor, enough rows, whole pairs in a row, and nobody who wants libtorch's gradients.</summary>
    internal static bool Fits(Tensor x, Tensor weight)
        => x.dtype == ScalarType.BFloat16 && weight.dtype == ScalarType.BFloat16 && x.dim() == 2 && x.shape[0] >= LeastRows && FusedKernels.Apply(x) && Brgemm.Available
            && x.shape[1] % 2 == 0 && x.is_contiguous() && weight.is_contiguous() && !(is_grad_enabled() && (x.requires_grad || weight.requires_grad));

    /// <summary>x [R, I] · weightᵀ → [R, O], for weight [O, I]; into <paramref name="target"/> where it is given.</summary>
    internal static Tensor Linear(Tensor x, Tensor weight, Tensor? target = null) => Multiply(x, weight, weight.shape[0], target, turned: true);

    /// <summary>y [R, O] · weight → [R, I], for weight [O, I].</summary>
    internal static Tensor Back(Tensor y, Tensor weight) => Multiply(y, weight, weight.shape[1], null, turned: false);

    /// <summary>total fp32 [O, I] += gradientᵀ input, for gradient [R, O] and input [R, I].</summary>
    internal static void AddOuter(Tensor total, Tensor gradient, Tensor input)
    {
        long rows = input.shape[0], o = gradient.shape[1], inputs = input.shape[1], panels = (inputs + Width - 1) / Width, blocks = (o + Width - 1) / Width;
        ushort* pg = (ushort*)FusedKernels.Address(gradient), px = (ushort*)FusedKernels.Address(input);
        var pt = (float*)FusedKernels.Address(total);
        var groups = Groups(blocks, panels);
        for (var from = 0L; from < rows; from += SummedAtOnce)
        {
            int count = (int)Math.Min(SummedAtOnce, rows - from), padded = (count + SummedStep - 1) / SummedStep * SummedStep;
            long start = from, panelSize = padded / 2 * Width;
            var packed = (uint*)ThreadMemory.Get(ThreadMemory.Place.Shared, panels * panelSize * sizeof(uint));
            CpuThreads.For(panels, 1, (first, last) =>
            {
                for (var p = first; p < last; p++)
                    PairLayout.OfColumns(px + start * inputs + p * Width, inputs, count, padded, (int)Math.Min(Width, inputs - p * Width), packed + p * panelSize, Width, Width);
            });
            CpuThreads.For(blocks * groups, 1, (first, last) =>
            {
                const int Stride = SummedAtOnce + SummedStep;
                var left = (ushort*)ThreadMemory.Get(ThreadMemory.Place.Left, Width * Stride * sizeof(ushort));
                for (var task = first; task < last; task++)
                {
                    long block = task / groups, group = task % groups;
                    var outputs = (int)Math.Min(Width, o - block * Width);
                    PairLayout.Turned(pg + start * o + block * Width, o, count, padded, outputs, left, Stride);
                    for (var p = panels * group / groups; p < panels * (group + 1) / groups; p++)
                        Brgemm.Multiply(outputs, Math.Min(Width, inputs - p * Width), padded, left, Stride, packed + p * panelSize, Width, pt + block * Width * inputs + p * Width, inputs, add: true);
                }
            });
        }
    }

    private static Tensor Multiply(Tensor x, Tensor weight, long outputs, Tensor? target, bool turned)
    {
        long rows = x.shape[0], inner = x.shape[1], panels = (outputs + Width - 1) / Width, stride = weight.shape[1];
        var result = target ?? empty(rows, outputs, dtype: ScalarType.BFloat16);
        var pieces = (inner + InnerAtOnce - 1) / InnerAtOnce;
        var piece = ((inner + pieces - 1) / pieces + 31) / 32 * 32;
        ushort* px = (ushort*)FusedKernels.Address(x), pw = (ushort*)FusedKernels.Address(weight), py = (ushort*)FusedKernels.Address(result);
        var blocks = (rows + RowsAtOnce - 1) / RowsAtOnce;
        var groups = Groups(panels, (blocks + 1) / 2);
        CpuThreads.For(panels * groups, 1, (first, last) =>
        {
            for (var task = first; task < last; task++)
            {
                long panel = task / groups, group = task % groups, at = blocks * group / groups * RowsAtOnce, end = Math.Min(rows, blocks * (group + 1) / groups * RowsAtOnce);
                var columns = (int)Math.Min(Width, outputs - panel * Width);
                var width = (columns + 15) / 16 * 16;
                var right = (uint*)ThreadMemory.Get(ThreadMemory.Place.Right, (piece + 1) / 2 * Width * sizeof(uint));
                // Where the inner dimension comes in pieces, sums wait for the last of them.
                var sums = (float*)ThreadMemory.Get(ThreadMemory.Place.Sums, (pieces == 1 ? RowsAtOnce : end - at) * Width * sizeof(float));
                for (var k = 0L; k < inner; k += piece)
                {
                    var count = (int)Math.Min(piece, inner - k);
                    if (turned) PairLayout.OfRows(pw + panel * Width * stride + k, stride, columns, count, right, Width, width);
                    else PairLayout.OfColumns(pw + k * stride + panel * Width, stride, count, count + count % 2, columns, right, Width, width);
                    for (var row = at; row < end; row += RowsAtOnce)
                    {
                        var some = Math.Min(RowsAtOnce, end - row);
                        var sum = pieces == 1 ? sums : sums + (row - at) * Width;
                        Brgemm.MultiplyRows(some, width, count, px + row * inner + k, inner, right, Width, sum, Width, add: k > 0);
                        if (k + count == inner) Round(sum, some, columns, py + row * outputs + panel * Width, outputs);
                    }
                }
            }
        });
        return result;
    }

    /// <summary>Into how many groups the second of two loops is cut, so that there is enough to share out.</summary>
    private static long Groups(long first, long second) => Math.Clamp((TasksPerThread * get_num_threads() + first - 1) / first, 1, Math.Max(1, second));

    private static void Round(float* sums, long rows, int columns, ushort* target, long stride)
    {
        for (var row = 0L; row < rows; row++, sums += Width, target += stride)
        {
            var j = 0;
            for (; j + 16 <= columns; j += 16) BFloat16Element.Store((byte*)(target + j), Vector512.Load(sums + j));
            for (; j < columns; j++) BFloat16Element.Set((byte*)(target + j), sums[j]);
        }
    }
}
