using TorchSharp;
using static TorchSharp.torch;

// Symbols: N packed rows, h query heads, g key/value heads, d head size.
namespace RlHarness.Models.Kernels;

/// <summary>
/// Causal attention of packed sequences in tiles of 64 queries by 64 keys (<see cref="AttentionTiles{T}"/>): no padding outside a tile, no repeated keys and
/// values, nothing computed where no query looks. Softmax and sums in fp32; the gradient computes the weights once more from their sums, as
/// FlashAttention does (Dao et al. 2022, algorithm 4).
/// </summary>
internal static unsafe class TiledAttention
{
    /// <summary>In fp32, where libtorch's own is nearer, tiles pay for heads of this size.</summary>
    private const int LeastHead = 64;

    private const int LargestHead = 256;

    /// <summary>Tiles of queries that are worth gathering their keys for once more.</summary>
    private const int TilesAtOnce = 16;

    /// <param name="Scale">Of the scores.</param>
    /// <param name="Window">Sliding-window size, the token itself included; null for full attention.</param>
    internal readonly record struct Shape(int Heads, int KeyValueHeads, int HeadDim, float Scale, int? Window)
    {
        internal int Group => Heads / KeyValueHeads;
    }

    /// <summary>
    /// The rows [From, From + Rows) of sequences that share beginnings, in preorder: key k, counted from the first row, is seen by the queries k to
    /// Ends[k] − 1, which are the rest of its node and all nodes below.
    /// </summary>
    internal sealed class Tree
    {
        private const int Tile = 64;
        private readonly int[] _smallestEnd;
        private readonly int[] _largestEnd;
        private readonly int[] _smallestPosition;
        private readonly int[] _largestPosition;

        /// <param name="from">First row.</param>
        /// <param name="ends">By row.</param>
        /// <param name="positions">Position of each row in its sequence.</param>
        internal Tree(int from, ReadOnlySpan<int> ends, ReadOnlySpan<int> positions)
        {
            (From, Rows, Tiles) = (from, ends.Length, (ends.Length + Tile - 1) / Tile);
            (Ends, Positions) = (new int[Tiles * Tile], new int[Tiles * Tile]);
            ends.CopyTo(Ends);
            positions.CopyTo(Positions);
            (_smallestEnd, _largestEnd, _smallestPosition, _largestPosition) = (new int[Tiles], new int[Tiles], new int[Tiles], new int[Tiles]);
            for (var t = 0; t < Tiles; t++)
            {
                var rows = (t * Tile)..Math.Min(Rows, (t + 1) * Tile);
                (_smallestEnd[t], _largestEnd[t]) = Range(ends[rows]);
                (_smallestPosition[t], _largestPosition[t]) = Range(positions[rows]);
            }
        }

        private static (int Smallest, int Largest) Range(ReadOnlySpan<int> values)
        {
            var (smallest, largest) = (values[0], values[0]);
            foreach (var value in values)
                (smallest, largest) = (Math.Min(smallest, value), Math.Max(largest, value));
            return (smallest, largest);
        }

        internal int From { get; }

        internal int Rows { get; }

        internal int Tiles { get; }

        /// <summary>Filled up with zeros to whole tiles: those keys are seen by nobody.</summary>
        internal int[] Ends { get; }

        internal int[] Positions { get; }

        /// <summary>Whether a query of one tile sees a key of another.</summary>
        internal bool IsSeen(int query, int key, int? window) =>
            query == key || (query > key && _largestEnd[key] > query * Tile && (window is not { } w || _smallestPosition[query] - _largestPosition[key] < w));

        /// <summary>Whether every query of one tile sees every key of another.</summary>
        internal bool IsSeenWhole(int query, int key, int? window) =>
            query > key
            && _smallestEnd[key] >= Math.Min(Rows, (query + 1) * Tile)
            && (window is not { } w || _largestPosition[query] - _smallestPosition[key] < w);
    }

    /// <summary>Whether tiles serve for heads of this size in products of this type.</summary>
    internal static bool IsSupported(Device device, ScalarType type, int headDim) =>
        FusedKernels.Enabled
        && device.type == DeviceType.CPU
        && TiledProducts.Types.Contains(type)
        && headDim % TileLayout.Lanes == 0
        && headDim <= LargestHead
        && (type == ScalarType.BFloat16 || headDim >= LeastHead);

    /// <summary>
    /// q [N, h·d], k and v [N, g·d] (a row's numbers together, rows however far apart) → result [N, h·d], and log Σ e^score of each query, fp32 [h, N].
    /// </summary>
    internal static (Tensor Mixed, Tensor LogSums) Forward(Tensor q, Tensor k, Tensor v, IReadOnlyList<Tree> trees, Shape s)
    {
        var (mixed, logSums) = (empty(q.shape, dtype: q.dtype), empty(s.Heads, q.shape[0], dtype: ScalarType.Float32));
        if (q.dtype == ScalarType.BFloat16)
            Forward<BFloat16Element>(q, k, v, mixed, logSums, trees, s);
        else
            Forward<Float32Element>(q, k, v, mixed, logSums, trees, s);
        return (mixed, logSums);
    }

    /// <summary>From the gradient of the result [N, h·d] to those of q [N, h·d], k and v [N, g·d].</summary>
    internal static (Tensor Q, Tensor K, Tensor V) Backward(
        Tensor gradient,
        Tensor q,
        Tensor k,
        Tensor v,
        Tensor mixed,
        Tensor logSums,
        IReadOnlyList<Tree> trees,
        Shape s
    )
    {
        var (dq, dk, dv) = (empty(q.shape, dtype: q.dtype), empty(k.shape, dtype: q.dtype), empty(v.shape, dtype: q.dtype));
        if (q.dtype == ScalarType.BFloat16)
            Backward<BFloat16Element>(gradient, q, k, v, mixed, logSums, trees, s, dq, dk, dv);
        else
            Backward<Float32Element>(gradient, q, k, v, mixed, logSums, trees, s, dq, dk, dv);
        return (dq, dk, dv);
    }

    private static void Forward<T>(Tensor q, Tensor k, Tensor v, Tensor mixed, Tensor logSums, IReadOnlyList<Tree> trees, Shape s)
        where T : ITileElement
    {
        Rows<T> pq = new(q),
            pk = new(k),
            pv = new(v),
            po = new(mixed);
        var pl = (float*)FusedKernels.Address(logSums);
        var rows = q.shape[0];
        // A tree of many rows is cut, so that all threads have work where it is the only one; each query's result is the same however it is cut.
        var work = trees
            .SelectMany(tree => Enumerable.Range(0, (tree.Tiles + TilesAtOnce - 1) / TilesAtOnce).Select(i => (Tree: tree, First: i * TilesAtOnce)))
            .ToArray();
        CpuThreads.For((long)work.Length * s.Heads, 1, (from, to) =>
        {
            for (var item = from; item < to; item++)
            {
                var head = (int)(item % s.Heads);
                var (tree, first) = work[item / s.Heads];
                AttentionTiles<T>.Forward(
                    tree,
                    first,
                    Math.Min(tree.Tiles, first + TilesAtOnce),
                    s,
                    pq.Head(head, s.HeadDim),
                    pk.Head(head / s.Group, s.HeadDim),
                    pv.Head(head / s.Group, s.HeadDim),
                    po.Head(head, s.HeadDim),
                    pl + head * rows
                );
            }

            Brgemm.Release<T>();
        });
    }

    private static void Backward<T>(
        Tensor gradient,
        Tensor q,
        Tensor k,
        Tensor v,
        Tensor mixed,
        Tensor logSums,
        IReadOnlyList<Tree> trees,
        Shape s,
        Tensor dq,
        Tensor dk,
        Tensor dv
    )
        where T : ITileElement
    {
        Rows<T> pq = new(q),
            pk = new(k),
            pv = new(v),
            po = new(mixed),
            pg = new(gradient),
            rq = new(dq),
            rk = new(dk),
            rv = new(dv);
        var pl = (float*)FusedKernels.Address(logSums);
        var rows = q.shape[0];
        int d = s.HeadDim,
            width = s.Heads * d;
        // Each query head's part of the gradients of keys and values, added up in a fixed order afterwards.
        var keyParts = (float*)ThreadMemory.Get(ThreadMemory.Place.Shared, 2 * rows * width * sizeof(float));
        var valueParts = keyParts + rows * width;
        CpuThreads.For((long)trees.Count * s.Heads, 1, (from, to) =>
        {
            for (var item = from; item < to; item++)
            {
                int head = (int)(item % s.Heads),
                    shared = head / s.Group;
                var tree = trees[(int)(item / s.Heads)];
                var at = (long)tree.From * width + (long)head * d;
                AttentionTiles<T>.Backward(
                    tree,
                    s,
                    new(
                        pq.Head(head, d),
                        pk.Head(shared, d),
                        pv.Head(shared, d),
                        po.Head(head, d),
                        pg.Head(head, d),
                        rq.Head(head, d),
                        pl + head * rows,
                        keyParts + at,
                        valueParts + at,
                        width
                    )
                );
            }

            Brgemm.Release<T>();
        });
        CpuThreads.For(rows, FusedKernels.Piece(width), (from, to) =>
        {
            for (var row = from; row < to; row++)
                for (var head = 0; head < s.KeyValueHeads; head++)
                {
                    AttentionTiles<T>.AddUp(keyParts + row * width, head, s, rk.At(row));
                    AttentionTiles<T>.AddUp(valueParts + row * width, head, s, rv.At(row));
                }
        });
    }

    /// <summary>Rows of one head, or of all of them, in a tensor whose rows are together.</summary>
    internal readonly struct Rows<T>
        where T : ITileElement
    {
        private readonly byte* _first;
        private readonly long _stride;

        internal Rows(Tensor x)
        {
            using var row = x.narrow(0, 0, 1);
            _first = FusedKernels.Address(row);
            _stride = x.stride(0) * T.Size;
        }

        private Rows(byte* first, long stride)
        {
            _first = first;
            _stride = stride;
        }

        internal Rows<T> Head(int head, int d) => new(_first + (long)head * d * T.Size, _stride);

        internal byte* At(long row) => _first + row * _stride;
    }
}
