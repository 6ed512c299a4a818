// Symbols: N packed rows, h query heads, g key/value heads, d head size, n keys of a segment.
using System.Runtime.Intrinsics;
using TorchSharp;
using static TorchSharp.torch;

namespace RlHarness.Models.Kernels;

/// <summary>
/// Causal attention of packed sequences in bfloat16, in tiles of 64 queries by 64 keys with <see cref="Brgemm"/>: no padding outside a tile, no repeated keys
/// and values, nothing computed where no query looks. Softmax and sums in fp32; its gradient computes the weights once more from their sums, as
/// FlashAttention does (Dao et al. 2022, algorithm 4).
/// </summary>
internal static unsafe partial class TiledAttention
{
    private const int Tile = 64;

    private const int TileSize = Tile * Tile;

    private const int LargestHead = 256;

    /// <param name="Scale">Of the scores.</param>
    /// <param name="Window">A token sees itself and so many less one before it; null: all.</param>
    internal readonly record struct Shape(int Heads, int KeyValueHeads, int HeadDim, float Scale, int? Window)
    {
        internal int Group => Heads / KeyValueHeads;
    }

    /// <summary>Queries at rows [From, From + Rows), whose keys are the rows [0, Before) and then their own.</summary>
    internal readonly record struct Segment(int Before, int From, int Rows)
    {
        internal int Keys => Before + Rows;

        internal int RowOf(int key) => key < Before ? key : From + key - Before;
    }

    internal static bool Fits(Tensor q, int headDim) => q.dtype == ScalarType.BFloat16 && FusedKernels.Apply(q) && Brgemm.Available && headDim % 16 == 0 && headDim <= LargestHead;

    /// <summary>
    /// q [N, h·d], k and v [N, g·d] (rows together, however far apart) → result [N, h·d], and log Σ e^score of each query, fp32 [h, N].
    /// </summary>
    internal static (Tensor Mixed, Tensor LogSums) Forward(Tensor q, Tensor k, Tensor v, IReadOnlyList<Segment> segments, Shape s)
    {
        var rows = q.shape[0];
        var (mixed, logSums) = (empty(q.shape, dtype: q.dtype), empty(s.Heads, rows, dtype: ScalarType.Float32));
        Rows pq = new(q), pk = new(k), pv = new(v), po = new(mixed);
        var pl = (float*)FusedKernels.Address(logSums);
        CpuThreads.For((long)segments.Count * s.Heads, 1, (from, to) =>
        {
            for (var item = from; item < to; item++)
            {
                var head = (int)(item % s.Heads);
                Forward(segments[(int)(item / s.Heads)], s, pq.Head(head, s.HeadDim), pk.Head(head / s.Group, s.HeadDim), pv.Head(head / s.Group, s.HeadDim), po.Head(head, s.HeadDim), pl + head * rows);
            }
        });
        return (mixed, logSums);
    }

    private static void Forward(Segment segment, Shape s, Rows q, Rows k, Rows v, Rows result, float* logSums)
    {
        int d = s.HeadDim, queryTiles = Tiles(segment.Rows), keyTiles = Tiles(segment.Keys);
        long size = (long)Tile * d;
        var room = new Room(ThreadMemory.Place.Left, (queryTiles + 3 * keyTiles) * size * sizeof(ushort) + keyTiles * (long)TileSize * (sizeof(float) + sizeof(ushort)) + size * sizeof(float));
        ushort* queries = (ushort*)room.Take(queryTiles * size * sizeof(ushort)), plain = (ushort*)room.Take(keyTiles * size * sizeof(ushort));
        uint* keys = (uint*)room.Take(keyTiles * size * sizeof(ushort)), values = (uint*)room.Take(keyTiles * size * sizeof(ushort));
        var scores = (float*)room.Take(keyTiles * (long)TileSize * sizeof(float));
        var weights = (ushort*)room.Take(keyTiles * (long)TileSize * sizeof(ushort));
        var sums = (float*)room.Take(size * sizeof(float));
        GatherQueries(q, segment, d, queries);
        GatherKeys(k, segment, d, plain);
        PackTurned(plain, keyTiles, d, keys);
        GatherKeys(v, segment, d, plain);
        PackRows(plain, keyTiles, d, values);
        var inverse = stackalloc float[Tile];
        for (var tile = 0; tile < queryTiles; tile++)
        {
            int position = segment.Before + tile * Tile, first = FirstTile(position, s.Window), end = Math.Min(keyTiles, (position + Tile - 1) / Tile + 1);
            for (var t = first; t < end; t++) Brgemm.Multiply(Tile, Tile, d, queries + tile * size, d, keys + t * size / 2, Tile, scores + t * TileSize, Tile, add: false);
            var count = Math.Min(Tile, segment.Rows - tile * Tile);
            for (var r = 0; r < count; r++)
                (inverse[r], logSums[segment.From + tile * Tile + r]) = Softmax(scores + r * Tile, weights + r * Tile, first, end, position + r, s);
            for (var t = first; t < end; t++) Brgemm.Multiply(Tile, d, Tile, weights + t * TileSize, Tile, values + t * size / 2, d, sums, d, add: t > first);
            for (var r = 0; r < count; r++)
            {
                var to = (byte*)result.At(segment.From + tile * Tile + r);
                for (var i = 0; i < d; i += 16) BFloat16Element.Store(to + 2 * i, Vector512.Load(sums + r * d + i) * inverse[r]);
            }
        }
    }

    /// <summary>One query's scores, tile by tile, to weights that are not yet divided by their sum. Returns the sum's inverse and the scores' log Σ e^score.</summary>
    private static (float Inverse, float LogSum) Softmax(float* scores, ushort* weights, int first, int end, int position, Shape s)
    {
        var largest = Vector512.Create(float.NegativeInfinity);
        for (var t = first; t < end; t++)
        {
            var row = scores + t * TileSize;
            Hide(row, t * Tile, position, s.Window);
            for (var i = 0; i < Tile; i += 16) largest = Vector512.MaxNative(largest, Vector512.Load(row + i));
        }

        var top = RowMaximum.Of(largest) * s.Scale;
        var sums = Vector512<float>.Zero;
        for (var t = first; t < end; t++)
            for (var i = 0; i < Tile; i += 16)
            {
                var p = BFloat16Element.Exp(Vector512.FusedMultiplyAdd(Vector512.Load(scores + t * TileSize + i), Vector512.Create(s.Scale), Vector512.Create(-top)));
                BFloat16Element.Store((byte*)(weights + t * TileSize + i), p);
                sums += p;
            }

        var sum = Vector512.Sum(sums);
        return (1 / sum, top + MathF.Log(sum));
    }

    /// <summary>−∞ for the keys of a tile that a query does not see.</summary>
    private static void Hide(float* row, int firstKey, int position, int? window)
    {
        if (firstKey + Tile - 1 > position)
            for (var i = 0; i < Tile; i += 16)
            {
                var beyond = Vector512.GreaterThan(Vector512.Create(firstKey + i) + Vector512<int>.Indices, Vector512.Create(position));
                Vector512.Store(Vector512.ConditionalSelect(beyond.AsSingle(), Vector512.Create(float.NegativeInfinity), Vector512.Load(row + i)), row + i);
            }

        if (window is not { } w || firstKey > position - w) return;
        for (var i = 0; i < Tile; i += 16)
        {
            var before = Vector512.LessThanOrEqual(Vector512.Create(firstKey + i) + Vector512<int>.Indices, Vector512.Create(position - w));
            Vector512.Store(Vector512.ConditionalSelect(before.AsSingle(), Vector512.Create(float.NegativeInfinity), Vector512.Load(row + i)), row + i);
        }
    }

    private static int Tiles(int rows) => (rows + Tile - 1) / Tile;

    /// <summary>The first tile of keys that a query at this position, or one behind it, sees.</summary>
    private static int FirstTile(int position, int? window) => window is { } w ? Math.Max(0, position - w + 1) / Tile : 0;

    /// <summary>A segment's queries (or what belongs to them) together, filled up with zeros to whole tiles.</summary>
    private static void GatherQueries(Rows source, Segment segment, int d, ushort* target)
    {
        for (var r = 0; r < segment.Rows; r++) Copy(source.At(segment.From + r), target + (long)r * d, d);
        Fill(target, segment.Rows, d);
    }

    private static void GatherKeys(Rows source, Segment segment, int d, ushort* target)
    {
        for (var r = 0; r < segment.Keys; r++) Copy(source.At(segment.RowOf(r)), target + (long)r * d, d);
        Fill(target, segment.Keys, d);
    }

    private static void Fill(ushort* target, int rows, int d) => new Span<ushort>(target + (long)rows * d, (Tiles(rows) * Tile - rows) * d).Clear();

    private static void Copy(ushort* from, ushort* to, int count) => Buffer.MemoryCopy(from, to, count * sizeof(ushort), count * sizeof(ushort));

    /// <summary>Each tile [64, d] to pairs [d / 2, 64]: the right operand of products over d.</summary>
    private static void PackTurned(ushort* rows, int tiles, int d, uint* target)
    {
        for (var t = 0; t < tiles; t++) PairLayout.OfRows(rows + (long)t * Tile * d, d, Tile, d, target + (long)t * Tile * d / 2, Tile, Tile);
    }

    /// <summary>Each tile [64, d] to pairs [32, d]: the right operand of products over rows.</summary>
    private static void PackRows(ushort* rows, int tiles, int d, uint* target)
    {
        for (var t = 0; t < tiles; t++) PairLayout.OfColumns(rows + (long)t * Tile * d, d, Tile, Tile, d, target + (long)t * Tile * d / 2, d, d);
    }

    /// <summary>Rows of one head, or of all of them, in a tensor whose rows are together.</summary>
    private readonly struct Rows
    {
        private readonly ushort* _first;
        private readonly long _stride;

        internal Rows(Tensor x)
        {
            using var row = x.narrow(0, 0, 1);
            _first = (ushort*)FusedKernels.Address(row);
            _stride = x.stride(0);
        }

        private Rows(ushort* first, long stride)
        {
            _first = first;
            _stride = stride;
        }

        internal Rows Head(int head, int d) => new(_first + (long)head * d, _stride);

        internal ushort* At(long row) => _first + row * _stride;
    }

    /// <summary>A thread's memory, dealt out from its beginning.</summary>
    private struct Room(ThreadMemory.Place place, long bytes)
    {
        private byte* _at = ThreadMemory.Get(place, bytes + 16 * 64);

        internal byte* Take(long size)
        {
            var at = _at;
            _at += (size + 63) / 64 * 64;
            return at;
        }
    }
}
