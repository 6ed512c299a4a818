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
    internal static void Backward(Tree tree, Shape s, Operands o)
    {
        int d = s.HeadDim,
            tiles = tree.Tiles;
        long size = (long)Tile * d * T.Size,
            wide = (long)Tile * d * sizeof(float),
            line = tiles * Tile * (long)sizeof(float); // bytes
        var room = new Room(8 * tiles * size + (tiles + 2) * wide + 2 * line + TileSize * (2 * sizeof(float) + 3 * T.Size));
        byte* plain = room.Take(tiles * size),
            transposedQueries = room.Take(tiles * size),
            queries = room.Take(tiles * size),
            transposedGradient = room.Take(tiles * size),
            gradient = room.Take(tiles * size);
        byte* plainKeys = room.Take(tiles * size),
            keys = room.Take(tiles * size),
            values = room.Take(tiles * size);
        float* byQueries = (float*)room.Take(tiles * wide),
            byKeys = (float*)room.Take(wide),
            byValues = (float*)room.Take(wide),
            logSums = (float*)room.Take(line),
            dots = (float*)room.Take(line);
        float* scores = (float*)room.Take(TileSize * sizeof(float)),
            byWeights = (float*)room.Take(TileSize * sizeof(float));
        byte* weights = room.Take(TileSize * T.Size),
            byScores = room.Take(TileSize * T.Size),
            transposed = room.Take(TileSize * T.Size);

        void GatherAll(Rows<T> source, byte* target)
        {
            for (var t = 0; t < tiles; t++)
                Gather(source, tree, t, d, target + t * size);
        }

        GatherAll(o.K, plainKeys);
        Pack(plainKeys, tiles, d, keys);
        GatherAll(o.V, values);
        GatherAll(o.Q, plain);
        Transpose(plain, tiles, d, transposedQueries);
        Pack(plain, tiles, d, queries);
        GatherAll(o.Gradient, plain);
        Transpose(plain, tiles, d, transposedGradient);
        Pack(plain, tiles, d, gradient);
        for (var r = 0; r < tiles * Tile; r++)
        {
            // Rows that fill up the last tile have weights of e^−∞.
            logSums[r] = r < tree.Rows ? o.LogSums[tree.From + r] : float.PositiveInfinity;
            dots[r] = r < tree.Rows ? Dot(o.Mixed.At(tree.From + r), o.Gradient.At(tree.From + r), d) : 0;
        }

        var begun = new bool[tiles];
        for (var key = 0; key < tiles; key++)
        {
            for (var query = key; query < tiles; query++)
            {
                if (!tree.IsSeen(query, key, s.Window))
                    continue;
                MultiplyQKt(plainKeys + key * size, transposedQueries + query * size, d, scores);
                MultiplyQKt(values + key * size, transposedGradient + query * size, d, byWeights);
                Weigh(scores, byWeights, logSums + query * Tile, dots + query * Tile, weights, byScores, tree, key, query, s);
                T.Transpose(byScores, Tile, Tile, Tile, Tile, transposed, Tile);
                MultiplyPV(weights, gradient + query * size, d, byValues, add: query > key);
                MultiplyPV(byScores, queries + query * size, d, byKeys, add: query > key);
                MultiplyPV(transposed, keys + key * size, d, byQueries + (long)query * Tile * d, add: begun[query]);
                begun[query] = true;
            }

            for (var r = 0; r < Math.Min(Tile, tree.Rows - key * Tile); r++)
                for (var i = 0; i < d; i += 16)
                {
                    var at = (key * Tile + r) * (long)o.Width + i;
                    Vector512.Store(Vector512.Load(byKeys + r * d + i), o.KeyParts + at);
                    Vector512.Store(Vector512.Load(byValues + r * d + i), o.ValueParts + at);
                }
        }

        for (var r = 0; r < tree.Rows; r++)
            for (var i = 0; i < d; i += 16)
                T.Store(o.ByQueries.At(tree.From + r) + i * T.Size, Vector512.Load(byQueries + (long)r * d + i));
    }

    /// <summary>One key/value head of a row's gradient: the sum of the parts of all query heads of the group.</summary>
    internal static void AddUp(float* parts, int head, Shape s, byte* target)
    {
        var first = head * s.HeadDim;
        for (var i = 0; i < s.HeadDim; i += 16)
        {
            var sum = Vector512<float>.Zero;
            for (var one = 0; one < s.Group; one++)
                sum += Vector512.Load(parts + ((long)head * s.Group + one) * s.HeadDim + i);
            T.Store(target + (first + i) * T.Size, sum);
        }
    }

    /// <summary>Weights e^(score − log sum) of a tile [keys, queries], and the gradient of its scores, the scale included.</summary>
    private static void Weigh(
        float* scores,
        float* byWeights,
        float* logSums,
        float* dots,
        byte* weights,
        byte* byScores,
        Tree tree,
        int keyTile,
        int queryTile,
        Shape s
    )
    {
        var masked = !tree.IsSeenWhole(queryTile, keyTile, s.Window);
        for (var key = 0; key < Tile; key++)
            for (var i = 0; i < Tile; i += 16)
            {
                var at = key * Tile + i;
                var p = T.Exp(Vector512.FusedMultiplyAdd(Vector512.Load(scores + at), Vector512.Create(s.Scale), -Vector512.Load(logSums + i)));
                if (masked)
                    p = Vector512.ConditionalSelect(SeesQueries(tree, queryTile * Tile + i, keyTile * Tile + key, s), p, Vector512<float>.Zero);
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
