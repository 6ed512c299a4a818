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

    /// <param name="Scale">Of the scores.</param>
    /// <param name="Window">Sliding-window size, the token itself included; null for full attention.</param>
    internal readonly record struct Shape(int Heads, int KeyValueHeads, int HeadDim, float Scale, int? Window)
    {
        internal int Group => Heads / KeyValueHeads;
    }

    /// <summary>
    /// Queries at rows [From, From + Rows), whose keys are the rows [0, Before) and then their own. Rows that are shared are the first segment.
    /// </summary>
    internal readonly record struct Segment(int Before, int From, int Rows)
    {
        internal int Keys => Before + Rows;

        internal int RowOf(int key) => key < Before ? key : From + key - Before;
    }

    internal static bool IsSupported(Tensor q, int headDim) =>
        FusedKernels.Apply(q)
        && TiledProducts.Types.Contains(q.dtype)
        && headDim % TileLayout.Lanes == 0
        && headDim <= LargestHead
        && (q.dtype == ScalarType.BFloat16 || headDim >= LeastHead);

    /// <summary>
    /// q [N, h·d], k and v [N, g·d] (a row's numbers together, rows however far apart) → result [N, h·d], and log Σ e^score of each query, fp32 [h, N].
    /// </summary>
    internal static (Tensor Mixed, Tensor LogSums) Forward(Tensor q, Tensor k, Tensor v, IReadOnlyList<Segment> segments, Shape s)
    {
        var (mixed, logSums) = (empty(q.shape, dtype: q.dtype), empty(s.Heads, q.shape[0], dtype: ScalarType.Float32));
        if (q.dtype == ScalarType.BFloat16)
            Forward<BFloat16Element>(q, k, v, mixed, logSums, segments, s);
        else
            Forward<Float32Element>(q, k, v, mixed, logSums, segments, s);
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
        IReadOnlyList<Segment> segments,
        Shape s
    )
    {
        var (dq, dk, dv) = (empty(q.shape, dtype: q.dtype), empty(k.shape, dtype: q.dtype), empty(v.shape, dtype: q.dtype));
        if (q.dtype == ScalarType.BFloat16)
            Backward<BFloat16Element>(gradient, q, k, v, mixed, logSums, segments, s, dq, dk, dv);
        else
            Backward<Float32Element>(gradient, q, k, v, mixed, logSums, segments, s, dq, dk, dv);
        return (dq, dk, dv);
    }

    private static void Forward<T>(Tensor q, Tensor k, Tensor v, Tensor mixed, Tensor logSums, IReadOnlyList<Segment> segments, Shape s)
        where T : ITileElement
    {
        Rows<T> pq = new(q),
            pk = new(k),
            pv = new(v),
            po = new(mixed);
        var pl = (float*)FusedKernels.Address(logSums);
        var rows = q.shape[0];
        CpuThreads.For((long)segments.Count * s.Heads, 1, (from, to) =>
        {
            for (var item = from; item < to; item++)
            {
                var head = (int)(item % s.Heads);
                AttentionTiles<T>.Forward(
                    segments[(int)(item / s.Heads)],
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
        IReadOnlyList<Segment> segments,
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
        // Each segment's and query head's part of the gradients of keys and values, added up in a fixed order afterwards.
        var starts = new long[segments.Count + 1];
        for (var i = 0; i < segments.Count; i++)
            starts[i + 1] = starts[i] + segments[i].Keys;
        var keyParts = (float*)ThreadMemory.Get(ThreadMemory.Place.Shared, 2 * starts[^1] * width * sizeof(float));
        var valueParts = keyParts + starts[^1] * width;
        CpuThreads.For((long)segments.Count * s.Heads, 1, (from, to) =>
        {
            for (var item = from; item < to; item++)
            {
                int head = (int)(item % s.Heads),
                    index = (int)(item / s.Heads),
                    shared = head / s.Group;
                var at = starts[index] * width + (long)head * d;
                AttentionTiles<T>.Backward(
                    segments[index],
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
        var owners = new int[rows];
        for (var i = 0; i < segments.Count; i++)
            Array.Fill(owners, i, segments[i].From, segments[i].Rows);
        CpuThreads.For(rows, FusedKernels.Piece(width), (from, to) =>
        {
            for (var row = (int)from; row < to; row++)
            {
                // A row is a key of its own segment, and a shared one of all segments behind.
                int own = owners[row],
                    last = own == 0 && segments[^1].Before > 0 ? segments.Count - 1 : own,
                    key = segments[own].Before + row - segments[own].From;
                for (var head = 0; head < s.KeyValueHeads; head++)
                {
                    AttentionTiles<T>.AddUp(keyParts, starts, own, last, key, row, head, width, s, rk);
                    AttentionTiles<T>.AddUp(valueParts, starts, own, last, key, row, head, width, s, rv);
                }
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
