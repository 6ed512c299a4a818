using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace RlHarness.Models.Kernels;

/// <summary>
/// Brings bfloat16 matrices into the layouts that <see cref="Brgemm"/> reads: as its right operand B [K, N], two rows of B beside each other (the number
/// (k, n) at [k / 2, n, k % 2]); as its left operand with rows together. Needs AVX-512.
/// </summary>
internal static unsafe class PairLayout
{
    /// <summary>Numbers of a vector.</summary>
    private const int Lanes = 16;

    /// <summary>Rows are far apart, so that the processor does not guess which one comes next.</summary>
    private const int RowsAhead = 16;

    /// <summary>B = sourceᵀ: pairs lie together in the source already, which is turned. source [N, K] → target [K / 2, width] of pairs.</summary>
    /// <param name="stride">Numbers from one row of the source to the next.</param>
    /// <param name="rows">N.</param>
    /// <param name="inner">K; where it is odd, the last pair's second number is 0.</param>
    /// <param name="targetStride">Pairs from one row of the target to the next.</param>
    /// <param name="width">A multiple of 16 from N on; columns from N to it are 0.</param>
    internal static void OfRows(ushort* source, long stride, int rows, int inner, uint* target, long targetStride, int width)
    {
        for (var j = 0; j < width; j += Lanes)
        {
            var valid = Math.Clamp(rows - j, 0, Lanes);
            var first = source + j * stride;
            var k = 0;
            if (valid == Lanes && stride % 2 == 0)
                for (; k + 2 * Lanes <= inner; k += 2 * Lanes) Turn((uint*)(first + k), stride / 2, target + k / 2 * targetStride + j, targetStride);
            for (; k < inner; k += 2)
                for (var i = 0; i < Lanes; i++)
                {
                    var row = first + i * stride + k;
                    target[k / 2 * targetStride + j + i] = i >= valid ? 0 : Pair(row[0], k + 1 < inner ? row[1] : (ushort)0);
                }
        }
    }

    /// <summary>B = source [K, N]: each two rows go into one. → target [padded / 2, width] of pairs.</summary>
    /// <param name="stride">Numbers from one row of the source to the next.</param>
    /// <param name="inner">K.</param>
    /// <param name="padded">An even number from K on; rows from K to it are 0.</param>
    /// <param name="columns">N.</param>
    /// <param name="targetStride">Pairs from one row of the target to the next.</param>
    /// <param name="width">A multiple of 16 from N on; columns from N to it are 0.</param>
    internal static void OfColumns(ushort* source, long stride, int inner, int padded, int columns, uint* target, long targetStride, int width)
    {
        for (var k = 0; k < padded; k += 2)
        {
            var row = source + k * stride;
            var to = target + k / 2 * targetStride;
            var j = 0;
            for (var ahead = 0; ahead < columns; ahead += 32)
            {
                Sse.Prefetch0(row + RowsAhead * stride + ahead);
                Sse.Prefetch0(row + (RowsAhead + 1) * stride + ahead);
            }

            if (k + 1 < inner)
                for (; j + Lanes <= columns; j += Lanes) Vector512.Store(Pairs(row + j, row + stride + j), to + j);
            for (; j < width; j++)
                to[j] = j >= columns || k >= inner ? 0 : Pair(row[j], k + 1 < inner ? row[stride + j] : (ushort)0);
        }
    }

    /// <summary>A = sourceᵀ: source [K, M] → target [M, padded].</summary>
    /// <param name="stride">Numbers from one row of the source to the next.</param>
    /// <param name="inner">K.</param>
    /// <param name="padded">A multiple of 32 from K on; columns from K to it are 0.</param>
    /// <param name="columns">M.</param>
    /// <param name="targetStride">Numbers from one row of the target to the next, even.</param>
    internal static void Turned(ushort* source, long stride, int inner, int padded, int columns, ushort* target, long targetStride)
    {
        var pairs = stackalloc uint[Lanes * Lanes];
        for (var k = 0; k < padded; k += 2 * Lanes)
        {
            var j = 0;
            if (k + 2 * Lanes <= inner)
                for (; j + Lanes <= columns; j += Lanes)
                {
                    for (var p = 0; p < Lanes; p++)
                    {
                        var row = source + (k + 2 * p) * stride + j;
                        Vector512.Store(Pairs(row, row + stride), pairs + p * Lanes);
                    }

                    Turn(pairs, Lanes, (uint*)(target + j * targetStride + k), targetStride / 2);
                }

            for (; j < columns; j++)
                for (var i = k; i < k + 2 * Lanes; i++) target[j * targetStride + i] = i < inner ? source[i * stride + j] : (ushort)0;
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static uint Pair(ushort first, ushort second) => first | ((uint)second << 16);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<uint> Pairs(ushort* first, ushort* second)
        => Avx512F.ConvertToVector512UInt32(Vector256.Load(first)) | (Avx512F.ConvertToVector512UInt32(Vector256.Load(second)) << 16);

    /// <summary>target = sourceᵀ, both 16 × 16.</summary>
    private static void Turn(uint* source, long stride, uint* target, long targetStride)
    {
        // Within each quarter of 128 bits: columns of 4 × 4 blocks, four rows at a time.
        var (a0, a1, a2, a3) = Quad(source, stride);
        var (b0, b1, b2, b3) = Quad(source + 4 * stride, stride);
        var (c0, c1, c2, c3) = Quad(source + 8 * stride, stride);
        var (d0, d1, d2, d3) = Quad(source + 12 * stride, stride);
        Spread(a0, b0, c0, d0, target, targetStride);
        Spread(a1, b1, c1, d1, target + targetStride, targetStride);
        Spread(a2, b2, c2, d2, target + 2 * targetStride, targetStride);
        Spread(a3, b3, c3, d3, target + 3 * targetStride, targetStride);
    }

    /// <summary>Four rows → four vectors; quarter q of vector i holds column 4q + i.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static (Vector512<uint> A, Vector512<uint> B, Vector512<uint> C, Vector512<uint> D) Quad(uint* source, long stride)
    {
        Vector512<uint> r0 = Vector512.Load(source), r1 = Vector512.Load(source + stride), r2 = Vector512.Load(source + 2 * stride), r3 = Vector512.Load(source + 3 * stride);
        Vector512<ulong> low = Avx512F.UnpackLow(r0, r1).AsUInt64(), high = Avx512F.UnpackHigh(r0, r1).AsUInt64();
        Vector512<ulong> low2 = Avx512F.UnpackLow(r2, r3).AsUInt64(), high2 = Avx512F.UnpackHigh(r2, r3).AsUInt64();
        return (Avx512F.UnpackLow(low, low2).AsUInt32(), Avx512F.UnpackHigh(low, low2).AsUInt32(), Avx512F.UnpackLow(high, high2).AsUInt32(), Avx512F.UnpackHigh(high, high2).AsUInt32());
    }

    /// <summary>Quarter q of all four goes to row 4q.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Spread(Vector512<uint> a, Vector512<uint> b, Vector512<uint> c, Vector512<uint> d, uint* target, long stride)
    {
        // Quarters 0 and 1 of both, then 2 and 3; of those the even ones, then the odd ones.
        Vector512<uint> ab = Avx512F.Shuffle4x128(a, b, 0x44), cd = Avx512F.Shuffle4x128(c, d, 0x44), ab2 = Avx512F.Shuffle4x128(a, b, 0xee), cd2 = Avx512F.Shuffle4x128(c, d, 0xee);
        Vector512.Store(Avx512F.Shuffle4x128(ab, cd, 0x88), target);
        Vector512.Store(Avx512F.Shuffle4x128(ab, cd, 0xdd), target + 4 * stride);
        Vector512.Store(Avx512F.Shuffle4x128(ab2, cd2, 0x88), target + 8 * stride);
        Vector512.Store(Avx512F.Shuffle4x128(ab2, cd2, 0xdd), target + 12 * stride);
    }
}
