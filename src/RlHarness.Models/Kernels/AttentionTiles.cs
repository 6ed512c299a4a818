using System.Runtime.Intrinsics;
using static RlHarness.Models.Kernels.TiledAttention;

// Symbols: d head size.
namespace RlHarness.Models.Kernels;

/// <summary>
/// Attention of one head over one segment. Operands are gathered and filled up with zeros to whole tiles first, so that all products have one of four shapes;
/// results of the filling are never read.
/// </summary>
internal static unsafe partial class AttentionTiles<T>
    where T : ITileElement
{
    private const int Tile = 64,
        TileSize = Tile * Tile;

    /// <summary>Columns of a right operand that lie together.</summary>
    private const int PanelWidth = 64;

    internal static void Forward(Segment segment, Shape s, Rows<T> q, Rows<T> k, Rows<T> v, Rows<T> result, float* logSums)
    {
        int d = s.HeadDim,
            queryTiles = Tiles(segment.Rows),
            keyTiles = Tiles(segment.Keys);
        long size = (long)Tile * d * T.Size; // bytes of a tile's operand
        var room = new Room((queryTiles + 3 * keyTiles) * size + keyTiles * (long)TileSize * (sizeof(float) + T.Size) + (long)Tile * d * sizeof(float));
        byte* queries = room.Take(queryTiles * size),
            plain = room.Take(keyTiles * size),
            keys = room.Take(keyTiles * size),
            values = room.Take(keyTiles * size);
        var scores = (float*)room.Take(keyTiles * (long)TileSize * sizeof(float));
        var weights = room.Take(keyTiles * (long)TileSize * T.Size);
        var sums = (float*)room.Take((long)Tile * d * sizeof(float));
        var inverse = stackalloc float[Tile];
        GatherQueries(q, segment, d, queries);
        GatherKeys(k, segment, d, plain);
        Transpose(plain, keyTiles, d, keys);
        GatherKeys(v, segment, d, plain);
        Pack(plain, keyTiles, d, values);
        for (var tile = 0; tile < queryTiles; tile++)
        {
            int position = segment.Before + tile * Tile,
                first = FirstTile(position, s.Window),
                end = Math.Min(keyTiles, (position + Tile - 1) / Tile + 1),
                count = Math.Min(Tile, segment.Rows - tile * Tile);
            for (var t = first; t < end; t++)
                MultiplyQKt(queries + tile * size, keys + t * size, d, scores + (long)t * TileSize);
            for (var r = 0; r < count; r++)
                (inverse[r], logSums[segment.From + tile * Tile + r]) = Softmax(scores + r * Tile, weights + r * Tile * T.Size, first, end, position + r, s);
            for (var t = first; t < end; t++)
                MultiplyPV(weights + (long)t * TileSize * T.Size, values + t * size, d, sums, add: t > first);
            for (var r = 0; r < count; r++)
            {
                var to = result.At(segment.From + tile * Tile + r);
                for (var i = 0; i < d; i += 16)
                    T.Store(to + i * T.Size, Vector512.Load(sums + r * d + i) * inverse[r]);
            }
        }
    }

    /// <summary>One query's scores, tile by tile, to weights that are not yet divided by their sum. Returns the sum's inverse and log Σ e^score.</summary>
    private static (float Inverse, float LogSum) Softmax(float* scores, byte* weights, int first, int end, int position, Shape s)
    {
        var largest = Vector512.Create(float.NegativeInfinity);
        for (var t = first; t < end; t++)
        {
            var row = scores + (long)t * TileSize;
            var masked = t * Tile + Tile - 1 > position || (s.Window is { } w && t * Tile <= position - w);
            for (var i = 0; i < Tile; i += 16)
            {
                var score = Vector512.Load(row + i);
                if (masked)
                {
                    score = Vector512.ConditionalSelect(Sees(position - t * Tile - i, -1, s), score, Vector512.Create(float.NegativeInfinity));
                    Vector512.Store(score, row + i);
                }

                largest = Vector512.MaxNative(largest, score);
            }
        }

        var top = RowMaximum.Of(largest) * s.Scale;
        var sums = Vector512<float>.Zero;
        for (var t = first; t < end; t++)
            for (var i = 0; i < Tile; i += 16)
            {
                var at = (long)t * TileSize + i;
                var p = T.Exp(Vector512.FusedMultiplyAdd(Vector512.Load(scores + at), Vector512.Create(s.Scale), Vector512.Create(-top)));
                T.Store(weights + at * T.Size, p);
                sums += p;
            }

        var sum = Vector512.Sum(sums);
        return (1 / sum, top + MathF.Log(sum));
    }

    /// <summary>
    /// Whether a query sees a key, where lane i of a vector has the key <paramref name="behind"/> + <paramref name="step"/> · i places before it.
    /// </summary>
    private static Vector512<float> Sees(int behind, int step, Shape s)
    {
        var distance = Vector512.Create(behind) + Vector512<int>.Indices * step;
        return (
            Vector512.GreaterThanOrEqual(distance, Vector512<int>.Zero) & Vector512.LessThan(distance, Vector512.Create(s.Window ?? int.MaxValue))
        ).AsSingle();
    }

    private static int Tiles(int rows) => (rows + Tile - 1) / Tile;

    /// <summary>The first tile of keys that a query at this position, or one behind it, sees.</summary>
    private static int FirstTile(int position, int? window) => window is { } w ? Math.Max(0, position - w + 1) / Tile : 0;

    /// <summary>A segment's queries (or what belongs to them) together, filled up with zeros to whole tiles.</summary>
    private static void GatherQueries(Rows<T> source, Segment segment, int d, byte* target)
    {
        for (var r = 0; r < segment.Rows; r++)
            Copy(source.At(segment.From + r), target, r, d);
        Fill(target, segment.Rows, d);
    }

    private static void GatherKeys(Rows<T> source, Segment segment, int d, byte* target)
    {
        for (var r = 0; r < segment.Keys; r++)
            Copy(source.At(segment.RowOf(r)), target, r, d);
        Fill(target, segment.Keys, d);
    }

    private static void Copy(byte* row, byte* target, int r, int d)
    {
        var bytes = (long)d * T.Size;
        Buffer.MemoryCopy(row, target + r * bytes, bytes, bytes);
    }

    private static void Fill(byte* target, int rows, int d) =>
        new Span<byte>(target + (long)rows * d * T.Size, (Tiles(rows) * Tile - rows) * d * T.Size).Clear();

    /// <summary>Each tile [64, d] transposed: the right operand of <see cref="MultiplyQKt"/>.</summary>
    private static void Transpose(byte* rows, int tiles, int d, byte* target)
    {
        var units = d * T.Size / sizeof(uint);
        for (var t = 0; t < tiles; t++)
            TileLayout.PackRows((uint*)rows + (long)t * Tile * units, units, Tile, units, (uint*)target + (long)t * Tile * units, Tile, Tile);
    }

    /// <summary>Each tile [64, d] in panels of columns: the right operand of <see cref="MultiplyPV"/>.</summary>
    private static void Pack(byte* rows, int tiles, int d, byte* target)
    {
        long size = (long)Tile * d * T.Size;
        for (var t = 0; t < tiles; t++)
            for (var c = 0; c < d; c += PanelWidth)
            {
                var width = Math.Min(PanelWidth, d - c);
                T.PackColumns(rows + t * size + c * T.Size, d, Tile, Tile, width, (uint*)(target + t * size + Tile * c * T.Size), width, width);
            }
    }

    /// <summary>sums [64, 64] = left [64, d] · right, which was transposed.</summary>
    private static void MultiplyQKt(byte* left, byte* right, int d, float* sums) =>
        Brgemm.Multiply<T>(Tile, Tile, d, left, d, (uint*)right, Tile, sums, Tile, add: false);

    /// <summary>sums [64, d] = left [64, 64] · right in panels, or +=.</summary>
    private static void MultiplyPV(byte* left, byte* right, int d, float* sums, bool add)
    {
        for (var c = 0; c < d; c += PanelWidth)
        {
            var width = Math.Min(PanelWidth, d - c);
            Brgemm.Multiply<T>(Tile, width, Tile, left, Tile, (uint*)(right + Tile * c * T.Size), width, sums + c, d, add);
        }
    }

    /// <summary>The thread's memory, dealt out from its beginning.</summary>
    private struct Room(long bytes)
    {
        private const int Step = 64,
            Pieces = 20;

        private byte* _at = ThreadMemory.Get(ThreadMemory.Place.Left, bytes + Pieces * Step);

        internal byte* Take(long size)
        {
            var at = _at;
            _at += (size + Step - 1) / Step * Step;
            return at;
        }
    }
}
