using System.Runtime.Intrinsics;
using static RlHarness.Models.Kernels.TiledAttention;

// Symbols: d head size.
namespace RlHarness.Models.Kernels;

internal static unsafe partial class AttentionTiles<T>
{
    /// <summary>
    /// With P the weights and D = Σ result · gradient of each query: dV = Pᵀ dO, dS = P (dO Vᵀ − D), dQ = dS K, dK = dSᵀ Q. All is computed with keys in rows,
    /// so that Pᵀ and dSᵀ are left operands as they come.
    /// </summary>
    internal static void Backward(Segment segment, Shape s, Operands o)
    {
        int d = s.HeadDim,
            queryTiles = Tiles(segment.Rows),
            keyTiles = Tiles(segment.Keys);
        long size = (long)Tile * d * T.Size,
            wide = (long)Tile * d * sizeof(float),
            line = queryTiles * Tile * (long)sizeof(float); // bytes
        var room = new Room(5 * queryTiles * size + 3 * keyTiles * size + (queryTiles + 2) * wide + 2 * line + TileSize * (2 * sizeof(float) + 3 * T.Size));
        byte* plain = room.Take(queryTiles * size),
            transposedQueries = room.Take(queryTiles * size),
            queries = room.Take(queryTiles * size),
            transposedGradient = room.Take(queryTiles * size),
            gradient = room.Take(queryTiles * size);
        byte* plainKeys = room.Take(keyTiles * size),
            keys = room.Take(keyTiles * size),
            values = room.Take(keyTiles * size);
        float* byQueries = (float*)room.Take(queryTiles * wide),
            byKeys = (float*)room.Take(wide),
            byValues = (float*)room.Take(wide),
            logSums = (float*)room.Take(line),
            dots = (float*)room.Take(line);
        float* scores = (float*)room.Take(TileSize * sizeof(float)),
            byWeights = (float*)room.Take(TileSize * sizeof(float));
        byte* weights = room.Take(TileSize * T.Size),
            byScores = room.Take(TileSize * T.Size),
            transposed = room.Take(TileSize * T.Size);

        GatherKeys(o.K, segment, d, plainKeys);
        Pack(plainKeys, keyTiles, d, keys);
        GatherKeys(o.V, segment, d, values);
        GatherQueries(o.Q, segment, d, plain);
        Transpose(plain, queryTiles, d, transposedQueries);
        Pack(plain, queryTiles, d, queries);
        GatherQueries(o.Gradient, segment, d, plain);
        Transpose(plain, queryTiles, d, transposedGradient);
        Pack(plain, queryTiles, d, gradient);
        for (var r = 0; r < queryTiles * Tile; r++)
        {
            // Rows that fill up the last tile have weights of e^−∞.
            logSums[r] = r < segment.Rows ? o.LogSums[segment.From + r] : float.PositiveInfinity;
            dots[r] = r < segment.Rows ? Dot(o.Mixed.At(segment.From + r), o.Gradient.At(segment.From + r), d) : 0;
        }

        for (var key = 0; key < keyTiles; key++)
        {
            var (first, end) = Queries(key * Tile, segment, queryTiles, s.Window);
            for (var query = first; query < end; query++)
            {
                MultiplyQKt(plainKeys + key * size, transposedQueries + query * size, d, scores);
                MultiplyQKt(values + key * size, transposedGradient + query * size, d, byWeights);
                Weigh(scores, byWeights, logSums + query * Tile, dots + query * Tile, weights, byScores, key * Tile, segment.Before + query * Tile, s);
                T.Transpose(byScores, Tile, Tile, Tile, Tile, transposed, Tile);
                MultiplyPV(weights, gradient + query * size, d, byValues, add: query > first);
                MultiplyPV(byScores, queries + query * size, d, byKeys, add: query > first);
                MultiplyPV(transposed, keys + key * size, d, byQueries + (long)query * Tile * d, add: key > FirstTile(segment.Before + query * Tile, s.Window));
            }

            for (var r = 0; r < Math.Min(Tile, segment.Keys - key * Tile); r++)
                for (var i = 0; i < d; i += 16)
                {
                    var at = (key * Tile + r) * (long)o.Width + i;
                    Vector512.Store(first < end ? Vector512.Load(byKeys + r * d + i) : Vector512<float>.Zero, o.KeyParts + at);
                    Vector512.Store(first < end ? Vector512.Load(byValues + r * d + i) : Vector512<float>.Zero, o.ValueParts + at);
                }
        }

        for (var r = 0; r < segment.Rows; r++)
            for (var i = 0; i < d; i += 16)
                T.Store(o.ByQueries.At(segment.From + r) + i * T.Size, Vector512.Load(byQueries + (long)r * d + i));
    }

    /// <summary>
    /// One key/value head of a row's gradient: the sum of its parts of segments <paramref name="own"/> (where it is key number <paramref name="key"/>) to
    /// <paramref name="last"/> (where a shared row is key number <paramref name="row"/>), and of all query heads of the group.
    /// </summary>
    internal static void AddUp(float* parts, long[] starts, int own, int last, int key, int row, int head, int width, Shape s, Rows<T> target)
    {
        for (var i = 0; i < s.HeadDim; i += 16)
        {
            var sum = Vector512<float>.Zero;
            for (var index = own; index <= last; index++)
            {
                var part = parts + (starts[index] + (index == own ? key : row)) * width + (long)head * s.Group * s.HeadDim + i;
                for (var one = 0; one < s.Group; one++)
                    sum += Vector512.Load(part + (long)one * s.HeadDim);
            }

            T.Store(target.At(row) + (head * s.HeadDim + i) * T.Size, sum);
        }
    }

    /// <summary>The tiles of queries, [First, End), that see keys of a tile.</summary>
    private static (int First, int End) Queries(int firstKey, Segment segment, int queryTiles, int? window)
    {
        var first = Math.Max(0, firstKey - segment.Before) / Tile;
        if (window is not { } w)
            return (first, queryTiles);
        // The last query that sees the tile's last key.
        var last = firstKey + Tile - 1 + w - 1 - segment.Before;
        return (first, last < 0 ? first : Math.Min(queryTiles, last / Tile + 1));
    }

    /// <summary>Weights e^(score − log sum) of a tile [keys, queries], and the gradient of its scores, the scale included.</summary>
    private static void Weigh(float* scores, float* byWeights, float* logSums, float* dots, byte* weights, byte* byScores, int firstKey, int position, Shape s)
    {
        var masked = firstKey + Tile - 1 > position || (s.Window is { } w && firstKey <= position + Tile - 1 - w);
        for (var key = 0; key < Tile; key++)
            for (var i = 0; i < Tile; i += 16)
            {
                var at = key * Tile + i;
                var p = T.Exp(Vector512.FusedMultiplyAdd(Vector512.Load(scores + at), Vector512.Create(s.Scale), -Vector512.Load(logSums + i)));
                if (masked)
                    p = Vector512.ConditionalSelect(Sees(position + i - firstKey - key, 1, s), p, Vector512<float>.Zero);
                T.Store(weights + at * T.Size, p);
                T.Store(byScores + at * T.Size, p * (Vector512.Load(byWeights + at) - Vector512.Load(dots + i)) * s.Scale);
            }
    }

    private static float Dot(byte* a, byte* b, int d)
    {
        var sum = Vector512<float>.Zero;
        for (var i = 0; i < d; i += 16)
            sum = Vector512.FusedMultiplyAdd(T.Load(a + i * T.Size), T.Load(b + i * T.Size), sum);
        return Vector512.Sum(sum);
    }

    /// <summary>One head's operands and results; rows of the parts lie <paramref name="width"/> numbers apart.</summary>
    internal readonly struct Operands(
        Rows<T> q,
        Rows<T> k,
        Rows<T> v,
        Rows<T> mixed,
        Rows<T> gradient,
        Rows<T> byQueries,
        float* logSums,
        float* keyParts,
        float* valueParts,
        int width
    )
    {
        internal readonly Rows<T> Q = q,
            K = k,
            V = v,
            Mixed = mixed,
            Gradient = gradient,
            ByQueries = byQueries;
        internal readonly float* LogSums = logSums,
            KeyParts = keyParts,
            ValueParts = valueParts;
        internal readonly int Width = width;
    }
}
