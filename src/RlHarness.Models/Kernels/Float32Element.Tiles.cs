using System.Runtime.Intrinsics;
using TorchSharp;

namespace RlHarness.Models.Kernels;

internal readonly unsafe partial struct Float32Element : ITileElement
{
    public static torch.ScalarType Type => torch.ScalarType.Float32;

    public static bool Pairs => false;

    /// <summary>What MKL's kernel for these processors uses, as measured, so that both give the same numbers to the bit.</summary>
    public static long LargestSum => 192;

    public static long SumStep => 4;

    public static void PackColumns(byte* source, long stride, int inner, int padded, int columns, uint* target, long targetStride, int width)
    {
        for (var k = 0; k < padded; k++, target += targetStride)
        {
            var row = (uint*)source + k * stride;
            TileLayout.FetchAhead((byte*)row, stride * sizeof(uint), columns * sizeof(uint));
            var j = 0;
            if (k < inner)
                for (; j + TileLayout.Lanes <= columns; j += TileLayout.Lanes)
                    Vector512.Store(Vector512.Load(row + j), target + j);
            for (; j < width; j++)
                target[j] = j < columns && k < inner ? row[j] : 0;
        }
    }

    public static void Transpose(byte* source, long stride, int inner, int padded, int columns, byte* target, long targetStride)
    {
        uint* from = (uint*)source,
            to = (uint*)target;
        for (var k = 0; k < padded; k += TileLayout.Lanes)
        {
            var j = 0;
            if (k + TileLayout.Lanes <= inner)
                for (; j + TileLayout.Lanes <= columns; j += TileLayout.Lanes)
                    TileLayout.Transpose(from + k * stride + j, stride, to + j * targetStride + k, targetStride);
            for (; j < columns; j++)
                for (var i = k; i < k + TileLayout.Lanes; i++)
                    to[j * targetStride + i] = i < inner ? from[i * stride + j] : 0;
        }
    }
}
