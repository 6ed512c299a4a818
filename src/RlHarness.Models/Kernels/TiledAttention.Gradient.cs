// Symbols: N packed rows, h query heads, g key/value heads, d head size, n keys of a segment.
using System.Runtime.Intrinsics;
using TorchSharp;
using static TorchSharp.torch;

namespace RlHarness.Models.Kernels;

internal static unsafe partial class TiledAttention
{
    /// <summary>
    /// From the gradient of the result [N, h·d] to those of q [N, h·d], k and v [N, g·d]. With P the weights and D = Σ result · gradient of each query:
    /// dV = Pᵀ dO, dS = P (dO Vᵀ − D), dQ = dS K, dK = dSᵀ Q. All is computed with keys in rows, so that P and dS are left operands as they come.
    /// </summary>
    internal static (Tensor Q, Tensor K, Tensor V) Backward(Tensor gradient, Tensor q, Tensor k, Tensor v, Tensor mixed, Tensor logSums, IReadOnlyList<Segment> segments, Shape s)
    {
        var rows = q.shape[0];
        var (dq, dk, dv) = (empty(q.shape, dtype: q.dtype), empty(k.shape, dtype: q.dtype), empty(v.shape, dtype: q.dtype));
        Rows pq = new(q), pk = new(k), pv = new(v), po = new(mixed), pg = new(gradient), rq = new(dq), rk = new(dk), rv = new(dv);
        var pl = (float*)FusedKernels.Address(logSums);
        int d = s.HeadDim, width = s.Heads * d;
        // Each segment's and query head's part of the gradients of keys and values, added up in a fixed order afterwards.
        var starts = new long[segments.Count + 1];
        for (var i = 0; i < segments.Count; i++) starts[i + 1] = starts[i] + segments[i].Keys;
        var parts = (float*)ThreadMemory.Get(ThreadMemory.Place.Shared, 2 * starts[^1] * width * sizeof(float));
        var valueParts = parts + starts[^1] * width;
        CpuThreads.For((long)segments.Count * s.Heads, 1, (from, to) =>
        {
            for (var item = from; item < to; item++)
            {
                int head = (int)(item % s.Heads), index = (int)(item / s.Heads), shared = head / s.Group;
                var at = starts[index] * width + (long)head * d;
                var operands = new Operands(pq.Head(head, d), pk.Head(shared, d), pv.Head(shared, d), po.Head(head, d), pg.Head(head, d), rq.Head(head, d), pl + head * rows, parts + at, valueParts + at, width);
                Backward(segments[index], s, operands);
            }
        });
        var owners = Owners(segments, (int)rows);
        CpuThreads.For(rows, FusedKernels.Piece(width), (from, to) =>
        {
            for (var row = (int)from; row < to; row++)
            {
                Add(row, parts, rk);
                Add(row, valueParts, rv);
            }
        });
        return (dq, dk, dv);

        void Add(int row, float* all, Rows target)
        {
            // A row is a key of its own segment, and shared ones, which are the first, of all segments behind.
            int own = owners[row], last = own == 0 && segments[^1].Before > 0 ? segments.Count - 1 : own;
            for (var head = 0; head < s.KeyValueHeads; head++)
                for (var i = 0; i < d; i += 16)
                {
                    var sum = Vector512<float>.Zero;
                    for (var index = own; index <= last; index++)
                    {
                        var key = index == own ? segments[own].Before + row - segments[own].From : row;
                        var part = all + (starts[index] + key) * width + (long)head * s.Group * d + i;
                        for (var one = 0; one < s.Group; one++) sum += Vector512.Load(part + (long)one * d);
                    }

                    BFloat16Element.Store((byte*)(target.At(row) + head * d + i), sum);
                }
        }
    }

    private static int[] Owners(IReadOnlyList<Segment> segments, int rows)
    {
        var owners = new int[rows];
        for (var i = 0; i < segments.Count; i++) Array.Fill(owners, i, segments[i].From, segments[i].Rows);
        return owners;
    }

    private static void Backward(Segment segment, Shape s, Operands o)
    {
        int d = s.HeadDim, queryTiles = Tiles(segment.Rows), keyTiles = Tiles(segment.Keys);
        long size = (long)Tile * d, ofQueries = queryTiles * size * sizeof(ushort), ofKeys = keyTiles * size * sizeof(ushort);
        var room = new Room(ThreadMemory.Place.Left, 7 * ofQueries + 3 * ofKeys + 2 * queryTiles * Tile * (long)sizeof(float) + 2 * TileSize * (sizeof(float) + sizeof(ushort)) + 4 * size * sizeof(float));
        ushort* plain = (ushort*)room.Take(ofQueries), keys = (ushort*)room.Take(ofKeys), values = (ushort*)room.Take(ofKeys);
        uint* turnedQueries = (uint*)room.Take(ofQueries), pairedQueries = (uint*)room.Take(ofQueries), turnedGradient = (uint*)room.Take(ofQueries), pairedGradient = (uint*)room.Take(ofQueries), pairedKeys = (uint*)room.Take(ofKeys);
        float* byQueries = (float*)room.Take(2 * ofQueries), logSums = (float*)room.Take(queryTiles * Tile * sizeof(float)), dots = (float*)room.Take(queryTiles * Tile * sizeof(float));
        float* scores = (float*)room.Take(TileSize * sizeof(float)), byWeights = (float*)room.Take(TileSize * sizeof(float)), byKeys = (float*)room.Take(size * sizeof(float)), byValues = (float*)room.Take(size * sizeof(float));
        ushort* weights = (ushort*)room.Take(TileSize * sizeof(ushort)), byScores = (ushort*)room.Take(TileSize * sizeof(ushort)), turned = (ushort*)room.Take(TileSize * sizeof(ushort));

        GatherKeys(o.K, segment, d, keys);
        PackRows(keys, keyTiles, d, pairedKeys);
        GatherKeys(o.V, segment, d, values);
        GatherQueries(o.Q, segment, d, plain);
        PackTurned(plain, queryTiles, d, turnedQueries);
        PackRows(plain, queryTiles, d, pairedQueries);
        GatherQueries(o.Gradient, segment, d, plain);
        PackTurned(plain, queryTiles, d, turnedGradient);
        PackRows(plain, queryTiles, d, pairedGradient);
        for (var r = 0; r < queryTiles * Tile; r++)
        {
            // Rows that fill up the last tile have weights of e^−∞.
            logSums[r] = r < segment.Rows ? o.LogSums[segment.From + r] : float.PositiveInfinity;
            dots[r] = r < segment.Rows ? Dot((byte*)o.Mixed.At(segment.From + r), (byte*)(plain + (long)r * d), d) : 0;
        }

        for (var key = 0; key < keyTiles; key++)
        {
            // The first query that sees the tile's first key, and behind the window the last that sees its last.
            int first = Math.Max(0, key * Tile - segment.Before) / Tile, end = queryTiles;
            if (s.Window is { } w) end = Math.Min(end, Math.Max(0, key * Tile + Tile - 1 + w - 1 - segment.Before) / Tile + 1);
            if (s.Window is { } window && key * Tile + Tile - 1 + window - 1 < segment.Before) end = first;
            for (var query = first; query < end; query++)
            {
                long at = query * size;
                Brgemm.Multiply(Tile, Tile, d, keys + key * size, d, turnedQueries + at / 2, Tile, scores, Tile, add: false);
                Brgemm.Multiply(Tile, Tile, d, values + key * size, d, turnedGradient + at / 2, Tile, byWeights, Tile, add: false);
                Weigh(scores, byWeights, logSums + query * Tile, dots + query * Tile, weights, byScores, key * Tile, segment.Before + query * Tile, s);
                PairLayout.Turned(byScores, Tile, Tile, Tile, Tile, turned, Tile);
                Brgemm.Multiply(Tile, d, Tile, weights, Tile, pairedGradient + at / 2, d, byValues, d, add: query > first);
                Brgemm.Multiply(Tile, d, Tile, byScores, Tile, pairedQueries + at / 2, d, byKeys, d, add: query > first);
                Brgemm.Multiply(Tile, d, Tile, turned, Tile, pairedKeys + key * size / 2, d, byQueries + at, d, add: key > FirstTile(segment.Before + query * Tile, s.Window));
            }

            for (var r = 0; r < Tile && key * Tile + r < segment.Keys; r++)
            {
                var to = (key * Tile + r) * (long)o.Width;
                Put(byKeys + (long)r * d, o.KeyParts + to, end > first);
                Put(byValues + (long)r * d, o.ValueParts + to, end > first);
            }
        }

        for (var r = 0; r < segment.Rows; r++)
            for (var i = 0; i < d; i += 16) BFloat16Element.Store((byte*)(o.ByQueries.At(segment.From + r) + i), Vector512.Load(byQueries + (long)r * d + i));

        void Put(float* from, float* to, bool any)
        {
            for (var i = 0; i < d; i += 16) Vector512.Store(any ? Vector512.Load(from + i) : Vector512<float>.Zero, to + i);
        }
    }

    /// <summary>Weights e^(score − log sum) of a tile [keys, queries], and the gradient of its scores, the scale included.</summary>
    private static void Weigh(float* scores, float* byWeights, float* logSums, float* dots, ushort* weights, ushort* byScores, int firstKey, int position, Shape s)
    {
        // Tiles that all queries see in full are not masked.
        var masked = firstKey + Tile - 1 > position || (s.Window is { } all && firstKey <= position + Tile - 1 - all);
        var reach = s.Window is { } w ? w : int.MaxValue;
        for (var key = 0; key < Tile; key++)
            for (var i = 0; i < Tile; i += 16)
            {
                var at = key * Tile + i;
                var p = BFloat16Element.Exp(Vector512.FusedMultiplyAdd(Vector512.Load(scores + at), Vector512.Create(s.Scale), -Vector512.Load(logSums + i)));
                if (masked)
                {
                    var behind = Vector512.Create(position + i - firstKey - key) + Vector512<int>.Indices;
                    p = Vector512.ConditionalSelect((Vector512.GreaterThanOrEqual(behind, Vector512<int>.Zero) & Vector512.LessThan(behind, Vector512.Create(reach))).AsSingle(), p, Vector512<float>.Zero);
                }

                BFloat16Element.Store((byte*)(weights + at), p);
                BFloat16Element.Store((byte*)(byScores + at), p * (Vector512.Load(byWeights + at) - Vector512.Load(dots + i)) * s.Scale);
            }
    }

    private static float Dot(byte* a, byte* b, int d)
    {
        var sum = Vector512<float>.Zero;
        for (var i = 0; i < d; i += 16) sum = Vector512.FusedMultiplyAdd(BFloat16Element.Load(a + 2 * i), BFloat16Element.Load(b + 2 * i), sum);
        return Vector512.Sum(sum);
    }

    /// <summary>One head's operands and results; rows of the parts lie <paramref name="width"/> numbers apart.</summary>
    private readonly struct Operands(Rows q, Rows k, Rows v, Rows mixed, Rows gradient, Rows byQueries, float* logSums, float* keyParts, float* valueParts, int width)
    {
        internal readonly Rows Q = q, K = k, V = v, Mixed = mixed, Gradient = gradient, ByQueries = byQueries;
        internal readonly float* LogSums = logSums, KeyParts = keyParts, ValueParts = valueParts;
        internal readonly int Width = width;
    }
}
