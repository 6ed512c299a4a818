using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace RlHarness.Models.Kernels;

/// <summary>Layouts of <see cref="Brgemm"/>'s operands that both number types share, in units of 32 bits. Needs AVX-512.</summary>
internal static unsafe class TileLayout
{
    /// <summary>Units of a vector.</summary>
    internal const int Lanes = 16;

    /// <summary>Rows are far apart, so that the processor does not guess which one comes next.</summary>
    private const int RowsAhead = 16;

    /// <summary>Right operand B = sourceᵀ: source [N, K], with K units together → target [K, width].</summary>
    /// <param name="stride">Units from one row of the source to the next.</param>
    /// <param name="rows">N.</param>
    /// <param name="inner">K, in units.</param>
    /// <param name="targetStride">Units from one row of the target to the next.</param>
    /// <param name="width">A multiple of 16 from N on; columns from N to it are 0.</param>
    internal static void PackRows(uint* source, long stride, int rows, int inner, uint* target, long targetStride, int width)
    {
        for (var j = 0; j < width; j += Lanes)
        {
            var valid = Math.Clamp(rows - j, 0, Lanes);
            var first = source + j * stride;
            var k = 0;
            if (valid == Lanes)
                for (; k + Lanes <= inner; k += Lanes)
                    Transpose(first + k, stride, target + k * targetStride + j, targetStride);
            for (; k < inner; k++)
                for (var i = 0; i < Lanes; i++)
                    target[k * targetStride + j + i] = i < valid ? first[i * stride + k] : 0;
        }
    }

    /// <summary>target = sourceᵀ, both 16 × 16.</summary>
    internal static void Transpose(uint* source, long stride, uint* target, long targetStride)
    {
        var (a0, a1, a2, a3) = Quad(source, stride);
        var (b0, b1, b2, b3) = Quad(source + 4 * stride, stride);
        var (c0, c1, c2, c3) = Quad(source + 8 * stride, stride);
        var (d0, d1, d2, d3) = Quad(source + 12 * stride, stride);
        StoreTransposed(a0, b0, c0, d0, target, targetStride);
        StoreTransposed(a1, b1, c1, d1, target + targetStride, targetStride);
        StoreTransposed(a2, b2, c2, d2, target + 2 * targetStride, targetStride);
        StoreTransposed(a3, b3, c3, d3, target + 3 * targetStride, targetStride);
    }

    /// <summary>Asks for what lies some rows behind; <paramref name="bytes"/> of it.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static void FetchAhead(byte* row, long stride, int bytes)
    {
        for (var at = 0; at < bytes; at += 64)
            Sse.Prefetch0(row + RowsAhead * stride + at);
    }

    /// <summary>Four rows → four vectors; quarter q of vector i holds column 4q + i.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static (Vector512<uint> A, Vector512<uint> B, Vector512<uint> C, Vector512<uint> D) Quad(uint* source, long stride)
    {
        Vector512<uint> r0 = Vector512.Load(source),
            r1 = Vector512.Load(source + stride),
            r2 = Vector512.Load(source + 2 * stride),
            r3 = Vector512.Load(source + 3 * stride);
        Vector512<ulong> low = Avx512F.UnpackLow(r0, r1).AsUInt64(),
            high = Avx512F.UnpackHigh(r0, r1).AsUInt64();
        Vector512<ulong> low2 = Avx512F.UnpackLow(r2, r3).AsUInt64(),
            high2 = Avx512F.UnpackHigh(r2, r3).AsUInt64();
        return (
            Avx512F.UnpackLow(low, low2).AsUInt32(),
            Avx512F.UnpackHigh(low, low2).AsUInt32(),
            Avx512F.UnpackLow(high, high2).AsUInt32(),
            Avx512F.UnpackHigh(high, high2).AsUInt32()
        );
    }

    /// <summary>Quarter q of all four goes to row 4q.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void StoreTransposed(Vector512<uint> a, Vector512<uint> b, Vector512<uint> c, Vector512<uint> d, uint* target, long stride)
    {
        // Quarters 0 and 1 of both, then 2 and 3; of those the even ones, then the odd ones.
        Vector512<uint> ab = Avx512F.Shuffle4x128(a, b, 0x44),
            cd = Avx512F.Shuffle4x128(c, d, 0x44),
            ab2 = Avx512F.Shuffle4x128(a, b, 0xee),
            cd2 = Avx512F.Shuffle4x128(c, d, 0xee);
        Vector512.Store(Avx512F.Shuffle4x128(ab, cd, 0x88), target);
        Vector512.Store(Avx512F.Shuffle4x128(ab, cd, 0xdd), target + 4 * stride);
        Vector512.Store(Avx512F.Shuffle4x128(ab2, cd2, 0x88), target + 8 * stride);
        Vector512.Store(Avx512F.Shuffle4x128(ab2, cd2, 0xdd), target + 12 * stride);
    }
}
