using System.Runtime.Intrinsics;
using TorchSharp;

namespace RlHarness.Models.Kernels;

internal readonly unsafe partial struct Float32Element : ITileElement
{
    /// <summary>What MKL's kernel for these processors sums before it adds to memory, measured: equal pieces of at most 192, in steps of 4.</summary>
    private const long LargestPiece = 192, PieceStep = 4;

    public static torch.ScalarType Type => torch.ScalarType.Float32;

    public static bool Pairs => false;

    public static long SummedAtOnce(long inner)
    {
        var pieces = (inner + LargestPiece - 1) / LargestPiece;
        return ((inner + pieces - 1) / pieces + PieceStep - 1) / PieceStep * PieceStep;
    }

    public static void PackColumns(byte* source, long stride, int inner, int padded, int columns, uint* target, long targetStride, int width)
    {
        for (var k = 0; k < padded; k++, target += targetStride)
        {
            var row = (uint*)source + k * stride;
            TileLayout.FetchAhead((byte*)row, stride * sizeof(uint), columns * sizeof(uint));
            var j = 0;
            if (k < inner)
                for (; j + TileLayout.Lanes <= columns; j += TileLayout.Lanes) Vector512.Store(Vector512.Load(row + j), target + j);
            for (; j < width; j++) target[j] = j < columns && k < inner ? row[j] : 0;
        }
    }

    public static void Turn(byte* source, long stride, int inner, int padded, int columns, byte* target, long targetStride)
    {
        uint* from = (uint*)source, to = (uint*)target;
        for (var k = 0; k < padded; k += TileLayout.Lanes)
        {
            var j = 0;
            if (k + TileLayout.Lanes <= inner)
                for (; j + TileLayout.Lanes <= columns; j += TileLayout.Lanes) TileLayout.Turn(from + k * stride + j, stride, to + j * targetStride + k, targetStride);
            for (; j < columns; j++)
                for (var i = k; i < k + TileLayout.Lanes; i++) to[j * targetStride + i] = i < inner ? from[i * stride + j] : 0;
        }
    }
}
