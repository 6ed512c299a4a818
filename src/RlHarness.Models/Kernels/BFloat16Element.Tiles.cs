using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using TorchSharp;

namespace RlHarness.Models.Kernels;

internal readonly unsafe partial struct BFloat16Element : ITileElement
{
    public static torch.ScalarType Type => torch.ScalarType.BFloat16;

    public static bool Pairs => true;

    /// <summary>A panel of 48 columns and so many rows fits a core's cache.</summary>
    public static long LargestSum => 2048;

    public static long SumStep => 32;

    public static void PackColumns(byte* source, long stride, int inner, int padded, int columns, uint* target, long targetStride, int width)
    {
        for (var k = 0; k < padded; k += 2, target += targetStride)
        {
            ushort* row = (ushort*)source + k * stride,
                next = row + stride;
            TileLayout.FetchAhead((byte*)row, stride * sizeof(ushort), columns * sizeof(ushort));
            TileLayout.FetchAhead((byte*)next, stride * sizeof(ushort), columns * sizeof(ushort));
            var j = 0;
            if (k + 1 < inner)
                for (; j + TileLayout.Lanes <= columns; j += TileLayout.Lanes)
                    Vector512.Store(PairsOf(row + j, next + j), target + j);
            for (; j < width; j++)
                target[j] = j >= columns || k >= inner ? 0 : row[j] | (k + 1 < inner ? (uint)next[j] << 16 : 0);
        }
    }

    public static void Transpose(byte* source, long stride, int inner, int padded, int columns, byte* target, long targetStride)
    {
        const int Lanes = TileLayout.Lanes;
        var pairs = stackalloc uint[Lanes * Lanes];
        ushort* from = (ushort*)source,
            to = (ushort*)target;
        for (var k = 0; k < padded; k += 2 * Lanes)
        {
            var j = 0;
            if (k + 2 * Lanes <= inner)
                for (; j + Lanes <= columns; j += Lanes)
                {
                    for (var p = 0; p < Lanes; p++)
                    {
                        var row = from + (k + 2 * p) * stride + j;
                        Vector512.Store(PairsOf(row, row + stride), pairs + p * Lanes);
                    }

                    TileLayout.Transpose(pairs, Lanes, (uint*)(to + j * targetStride + k), targetStride / 2);
                }

            for (; j < columns; j++)
                for (var i = k; i < k + 2 * Lanes; i++)
                    to[j * targetStride + i] = i < inner ? from[i * stride + j] : (ushort)0;
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<uint> PairsOf(ushort* first, ushort* second) =>
        Avx512F.ConvertToVector512UInt32(Vector256.Load(first)) | (Avx512F.ConvertToVector512UInt32(Vector256.Load(second)) << 16);
}
