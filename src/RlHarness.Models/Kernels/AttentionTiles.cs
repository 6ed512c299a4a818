using System.Runtime.Intrinsics;
using static RlHarness.Models.Kernels.TiledAttention;

// Symbols: d head size.
namespace RlHarness.Models.Kernels;

/// <summary>
/// Attention of one head over one tree. Operands are gathered and filled up with zeros to whole tiles first, so that all products have one of four shapes;
/// results of the filling are never read.
/// </summary>
internal static unsafe partial class AttentionTiles<T>
    where T : ITileElement
{
    private const int Tile = 64,
        TileSize = Tile * Tile;

    /// <summary>Columns of a right operand that lie together.</summary>
    private const int PanelWidth = 64;

    /// <summary>The queries of tiles [from, to).</summary>
    internal static void Forward(Tree tree, int from, int to, Shape s, Rows<T> q, Rows<T> k, Rows<T> v, Rows<T> result, float* logSums)
    {
        var d = s.HeadDim;
        var size = (long)Tile * d * T.Size; // bytes of a tile's operand
        // Tiles of keys that one of the queries sees, and those of one tile of queries.
        var places = new int[to];
        var seen = new int[to];
        var held = 0;
        for (var key = 0; key < to; key++)
            places[key] = IsSeenByAny(tree, from, to, key, s.Window) ? held++ : -1;
        var room = new Room((2 + 2 * held) * size + held * (long)TileSize * (sizeof(float) + T.Size) + (long)Tile * d * sizeof(float));
        byte* queries = room.Take(size),
            plain = room.Take(size),
            keys = room.Take(held * size),
            values = room.Take(held * size);
        var scores = (float*)room.Take(held * (long)TileSize * sizeof(float));
        var weights = room.Take(held * (long)TileSize * T.Size);
        var sums = (float*)room.Take((long)Tile * d * sizeof(float));
        var inverse = stackalloc float[Tile];
        for (var key = 0; key < to; key++)
            if (places[key] >= 0)
            {
                Gather(k, tree, key, d, plain);
                Transpose(plain, 1, d, keys + places[key] * size);
                Gather(v, tree, key, d, plain);
                Pack(plain, 1, d, values + places[key] * size);
            }

        for (var tile = from; tile < to; tile++)
        {
            var count = 0;
            for (var key = 0; key <= tile; key++)
                if (tree.IsSeen(tile, key, s.Window))
                    seen[count++] = key;
            var rows = Math.Min(Tile, tree.Rows - tile * Tile);
            Gather(q, tree, tile, d, queries);
            for (var t = 0; t < count; t++)
                MultiplyQKt(queries, keys + places[seen[t]] * size, d, scores + (long)t * TileSize);
            for (var r = 0; r < rows; r++)
                (inverse[r], logSums[tree.From + tile * Tile + r]) = Softmax(
                    scores + r * Tile,
                    weights + r * Tile * T.Size,
                    seen.AsSpan(0, count),
                    tree,
                    tile,
                    tile * Tile + r,
                    s
                );
            for (var t = 0; t < count; t++)
                MultiplyPV(weights + (long)t * TileSize * T.Size, values + places[seen[t]] * size, d, sums, add: t > 0);
            for (var r = 0; r < rows; r++)
            {
                var target = result.At(tree.From + tile * Tile + r);
                for (var i = 0; i < d; i += 16)
                    T.Store(target + i * T.Size, Vector512.Load(sums + r * d + i) * inverse[r]);
            }
        }
    }

    private static bool IsSeenByAny(Tree tree, int from, int to, int key, int? window)
    {
        for (var tile = Math.Max(from, key); tile < to; tile++)
            if (tree.IsSeen(tile, key, window))
                return true;
        return false;
    }

    /// <summary>One query's scores, tile by tile, to weights that are not yet divided by their sum. Returns the sum's inverse and log Σ e^score.</summary>
    private static (float Inverse, float LogSum) Softmax(float* scores, byte* weights, ReadOnlySpan<int> seen, Tree tree, int tile, int query, Shape s)
    {
        var largest = Vector512.Create(float.NegativeInfinity);
        for (var t = 0; t < seen.Length; t++)
        {
            var row = scores + (long)t * TileSize;
            var masked = !tree.IsSeenWhole(tile, seen[t], s.Window);
            for (var i = 0; i < Tile; i += 16)
            {
                var score = Vector512.Load(row + i);
                if (masked)
                {
                    score = Vector512.ConditionalSelect(SeesKeys(tree, query, seen[t] * Tile + i, s), score, Vector512.Create(float.NegativeInfinity));
                    Vector512.Store(score, row + i);
                }

                largest = Vector512.MaxNative(largest, score);
            }
        }

        var top = RowMaximum.Of(largest) * s.Scale;
        var sums = Vector512<float>.Zero;
        for (var t = 0; t < seen.Length; t++)
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

    /// <summary>Whether a query sees sixteen keys that follow one another.</summary>
    private static Vector512<float> SeesKeys(Tree tree, int query, int key, Shape s)
    {
        var keys = Vector512.Create(key) + Vector512<int>.Indices;
        var seen =
            Vector512.LessThanOrEqual(keys, Vector512.Create(query))
            & Vector512.GreaterThan(Vector512.LoadUnsafe(ref tree.Ends[0], (nuint)key), Vector512.Create(query));
        if (s.Window is { } w)
            seen &= Vector512.GreaterThan(Vector512.LoadUnsafe(ref tree.Positions[0], (nuint)key), Vector512.Create(tree.Positions[query] - w));
        return seen.AsSingle();
    }

    /// <summary>Whether sixteen queries that follow one another see a key.</summary>
    private static Vector512<float> SeesQueries(Tree tree, int query, int key, Shape s)
    {
        var queries = Vector512.Create(query) + Vector512<int>.Indices;
        var seen = Vector512.GreaterThanOrEqual(queries, Vector512.Create(key)) & Vector512.LessThan(queries, Vector512.Create(tree.Ends[key]));
        if (s.Window is { } w)
            seen &= Vector512.LessThan(Vector512.LoadUnsafe(ref tree.Positions[0], (nuint)query), Vector512.Create(tree.Positions[key] + w));
        return seen.AsSingle();
    }

    /// <summary>A tile of a tree's rows together, filled up with zeros.</summary>
    private static void Gather(Rows<T> source, Tree tree, int tile, int d, byte* target)
    {
        var rows = Math.Min(Tile, tree.Rows - tile * Tile);
        for (var r = 0; r < rows; r++)
            Copy(source.At(tree.From + tile * Tile + r), target, r, d);
        new Span<byte>(target + (long)rows * d * T.Size, (Tile - rows) * d * T.Size).Clear();
    }

    private static void Copy(byte* row, byte* target, int r, int d)
    {
        var bytes = (long)d * T.Size;
        Buffer.MemoryCopy(row, target + r * bytes, bytes, bytes);
    }

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
