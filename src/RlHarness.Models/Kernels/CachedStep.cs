// Symbols: B rows, C capacity, h query heads, g key/value heads, d head size, r = h / g.
using System.Buffers;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using TorchSharp;
using static TorchSharp.torch;

namespace RlHarness.Models.Kernels;

/// <summary>
/// Attention of one new token a row over a cache that is written and read where it lies: keys and values of a head are read once for all of its queries, and
/// columns before a row's first token are not read at all. Softmax and sums in fp32.
/// </summary>
internal static unsafe class CachedStep
{
    /// <summary>Queries of one key/value head that share a pass.</summary>
    private const int Together = 4;

    internal readonly record struct Shape(int Heads, int KeyValueHeads, int HeadDim);

    internal static bool Fits(Tensor q, int headDim) => FusedKernels.Apply(q) && headDim % 16 == 0;

    /// <summary>
    /// Writes k and v [B, g·d] into column <paramref name="column"/> of the caches [B, C, g·d], and attends from q [B, h·d] to columns
    /// [starts[b], column]. Returns [B, h·d].
    /// </summary>
    internal static Tensor Attend(Tensor q, Tensor k, Tensor v, Tensor keys, Tensor values, long column, long[] starts, Shape shape)
    {
        var result = empty(q.shape, dtype: q.dtype);
        using var newKeys = k.contiguous();
        using var newValues = v.contiguous();
        if (q.dtype == ScalarType.BFloat16) Run<BFloat16Element>(q, newKeys, newValues, keys, values, column, starts, shape, result);
        else Run<Float32Element>(q, newKeys, newValues, keys, values, column, starts, shape, result);
        return result;
    }

    private static void Run<T>(Tensor q, Tensor k, Tensor v, Tensor keys, Tensor values, long column, long[] starts, Shape s, Tensor result)
        where T : IElement
    {
        long capacity = keys.shape[1], width = keys.shape[2];
        int d = s.HeadDim, groups = s.Heads / s.KeyValueHeads;
        byte* pq = FusedKernels.Address(q), pk = FusedKernels.Address(k), pv = FusedKernels.Address(v), pKeys = FusedKernels.Address(keys), pValues = FusedKernels.Address(values), po = FusedKernels.Address(result);
        var scale = 1 / MathF.Sqrt(d);
        CpuThreads.For(q.shape[0] * s.KeyValueHeads, 4, (from, to) =>
        {
            var scores = ArrayPool<float>.Shared.Rent((int)(column + 1) * Together);
            byte* zeros = stackalloc byte[d * 4];
            new Span<byte>(zeros, d * 4).Clear();
            fixed (float* p = scores)
            {
                for (var unit = from; unit < to; unit++)
                {
                    long row = unit / s.KeyValueHeads, head = unit % s.KeyValueHeads;
                    byte* keyHead = pKeys + (row * capacity * width + head * d) * T.Size, valueHead = pValues + (row * capacity * width + head * d) * T.Size;
                    long at = (row * width + head * d) * T.Size, bytes = d * T.Size;
                    Buffer.MemoryCopy(pk + at, keyHead + column * width * T.Size, bytes, bytes);
                    Buffer.MemoryCopy(pv + at, valueHead + column * width * T.Size, bytes, bytes);
                    var start = starts[row];
                    for (var first = 0; first < groups; first += Together)
                    {
                        var offset = (row * s.Heads + head * groups + first) * d * T.Size;
                        Queries<T>(pq + offset, po + offset, Math.Min(Together, groups - first), zeros, keyHead + start * width * T.Size, valueHead + start * width * T.Size, width * T.Size, column + 1 - start, d, scale, p);
                    }
                }
            }

            ArrayPool<float>.Shared.Return(scores);
        });
    }

    /// <summary>Up to four queries over n columns. Scores lie as [column, query], with four queries to a column, or two where there are no more.</summary>
    private static void Queries<T>(byte* q, byte* result, int count, byte* zeros, byte* keys, byte* values, long stride, long n, int d, float scale, float* scores)
        where T : IElement
    {
        long head = d * T.Size;
        byte* q0 = q, q1 = count > 1 ? q + head : zeros, q2 = count > 2 ? q + 2 * head : zeros, q3 = count > 3 ? q + 3 * head : zeros;
        var pairs = count <= 2;
        var largest = pairs ? ScoresOfTwo<T>(q0, q1, keys, stride, n, d, scale, scores) : ScoresOfFour<T>(q0, q1, q2, q3, keys, stride, n, d, scale, scores);
        // Four numbers are one column of four queries, or two columns of two.
        if (pairs) largest = Vector128.Max(largest, Vector128.Shuffle(largest, Vector128.Create(2, 3, 0, 1)));
        var sum = Exponentials(scores, (pairs ? 2 : 4) * n, largest);
        if (pairs) sum += Vector128.Shuffle(sum, Vector128.Create(2, 3, 0, 1));
        var inverse = Vector128<float>.One / sum;
        if (pairs) MixOfTwo<T>(values, stride, n, d, scores, result, result + head, count, inverse);
        else MixOfFour<T>(values, stride, n, d, scores, result, head, count, inverse);
    }

    private static Vector128<float> ScoresOfFour<T>(byte* q0, byte* q1, byte* q2, byte* q3, byte* keys, long stride, long n, int d, float scale, float* scores)
        where T : IElement
    {
        var largest = Vector128.Create(float.NegativeInfinity);
        for (var t = 0L; t < n; t++)
        {
            var key = keys + t * stride;
            Vector512<float> a = Vector512<float>.Zero, b = a, c = a, e = a;
            for (var i = 0; i < d; i += 16)
            {
                var x = T.Load(key + i * T.Size);
                a = Vector512.FusedMultiplyAdd(T.Load(q0 + i * T.Size), x, a);
                b = Vector512.FusedMultiplyAdd(T.Load(q1 + i * T.Size), x, b);
                c = Vector512.FusedMultiplyAdd(T.Load(q2 + i * T.Size), x, c);
                e = Vector512.FusedMultiplyAdd(T.Load(q3 + i * T.Size), x, e);
            }

            var four = SumEach(a, b, c, e) * scale;
            Vector128.Store(four, scores + 4 * t);
            largest = Vector128.Max(largest, four);
        }

        return largest;
    }

    private static Vector128<float> ScoresOfTwo<T>(byte* q0, byte* q1, byte* keys, long stride, long n, int d, float scale, float* scores)
        where T : IElement
    {
        var largest = Vector128.Create(float.NegativeInfinity);
        var t = 0L;
        for (; t + 2 <= n; t += 2)
        {
            byte* key = keys + t * stride, next = key + stride;
            Vector512<float> a = Vector512<float>.Zero, b = a, c = a, e = a;
            for (var i = 0; i < d; i += 16)
            {
                Vector512<float> x = T.Load(key + i * T.Size), y = T.Load(next + i * T.Size), first = T.Load(q0 + i * T.Size), second = T.Load(q1 + i * T.Size);
                a = Vector512.FusedMultiplyAdd(first, x, a);
                b = Vector512.FusedMultiplyAdd(second, x, b);
                c = Vector512.FusedMultiplyAdd(first, y, c);
                e = Vector512.FusedMultiplyAdd(second, y, e);
            }

            var four = SumEach(a, b, c, e) * scale;
            Vector128.Store(four, scores + 2 * t);
            largest = Vector128.Max(largest, four);
        }

        if (t == n) return largest;
        Vector512<float> one = Vector512<float>.Zero, two = one;
        for (var i = 0; i < d; i += 16)
        {
            var x = T.Load(keys + t * stride + i * T.Size);
            one = Vector512.FusedMultiplyAdd(T.Load(q0 + i * T.Size), x, one);
            two = Vector512.FusedMultiplyAdd(T.Load(q1 + i * T.Size), x, two);
        }

        (scores[2 * t], scores[(2 * t) + 1]) = (Vector512.Sum(one) * scale, Vector512.Sum(two) * scale);
        return Vector128.Max(largest, Vector128.Create(scores[2 * t], scores[(2 * t) + 1], float.NegativeInfinity, float.NegativeInfinity));
    }

    /// <summary>The sums of four vectors.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<float> SumEach(Vector512<float> a, Vector512<float> b, Vector512<float> c, Vector512<float> d)
    {
        if (!Avx.IsSupported) return Vector128.Create(Vector512.Sum(a), Vector512.Sum(b), Vector512.Sum(c), Vector512.Sum(d));
        var first = Avx.HorizontalAdd(a.GetLower() + a.GetUpper(), b.GetLower() + b.GetUpper());
        var second = Avx.HorizontalAdd(c.GetLower() + c.GetUpper(), d.GetLower() + d.GetUpper());
        var both = Avx.HorizontalAdd(first, second);
        return both.GetLower() + both.GetUpper();
    }

    /// <summary>Replaces scores by e^(score − largest) and returns their sums, each fourth number together.</summary>
    private static Vector128<float> Exponentials(float* scores, long count, Vector128<float> largest)
    {
        var top = Vector512.Create(Vector256.Create(largest, largest), Vector256.Create(largest, largest));
        var sums = Vector512<float>.Zero;
        var j = 0L;
        for (; j + 16 <= count; j += 16)
        {
            var p = Vector512.Exp(Vector512.Load(scores + j) - top);
            Vector512.Store(p, scores + j);
            sums += p;
        }

        var half = sums.GetLower() + sums.GetUpper();
        var sum = half.GetLower() + half.GetUpper();
        for (; j + 4 <= count; j += 4)
        {
            var p = Vector128.Exp(Vector128.Load(scores + j) - largest);
            Vector128.Store(p, scores + j);
            sum += p;
        }

        // The last column of two queries.
        if (j == count) return sum;
        (scores[j], scores[j + 1]) = (MathF.Exp(scores[j] - largest[0]), MathF.Exp(scores[j + 1] - largest[1]));
        return sum + Vector128.Create(scores[j], scores[j + 1], 0, 0);
    }

    private static void MixOfFour<T>(byte* values, long stride, long n, int d, float* scores, byte* result, long head, int count, Vector128<float> inverse)
        where T : IElement
    {
        for (var i = 0; i < d; i += 16)
        {
            Vector512<float> a = Vector512<float>.Zero, b = a, c = a, e = a;
            for (var t = 0L; t < n; t++)
            {
                var x = T.Load(values + t * stride + i * T.Size);
                var p = scores + 4 * t;
                a = Vector512.FusedMultiplyAdd(Vector512.Create(p[0]), x, a);
                b = Vector512.FusedMultiplyAdd(Vector512.Create(p[1]), x, b);
                c = Vector512.FusedMultiplyAdd(Vector512.Create(p[2]), x, c);
                e = Vector512.FusedMultiplyAdd(Vector512.Create(p[3]), x, e);
            }

            var o = result + i * T.Size;
            T.Store(o, a * inverse[0]);
            T.Store(o + head, b * inverse[1]);
            T.Store(o + 2 * head, c * inverse[2]);
            if (count > 3) T.Store(o + 3 * head, e * inverse[3]);
        }
    }

    private static void MixOfTwo<T>(byte* values, long stride, long n, int d, float* scores, byte* result, byte* second, int count, Vector128<float> inverse)
        where T : IElement
    {
        for (var i = 0; i < d; i += 16)
        {
            Vector512<float> a = Vector512<float>.Zero, b = a, c = a, e = a;
            var t = 0L;
            for (; t + 2 <= n; t += 2)
            {
                Vector512<float> x = T.Load(values + t * stride + i * T.Size), y = T.Load(values + (t + 1) * stride + i * T.Size);
                var p = scores + 2 * t;
                a = Vector512.FusedMultiplyAdd(Vector512.Create(p[0]), x, a);
                b = Vector512.FusedMultiplyAdd(Vector512.Create(p[1]), x, b);
                c = Vector512.FusedMultiplyAdd(Vector512.Create(p[2]), y, c);
                e = Vector512.FusedMultiplyAdd(Vector512.Create(p[3]), y, e);
            }

            if (t < n)
            {
                var x = T.Load(values + t * stride + i * T.Size);
                a = Vector512.FusedMultiplyAdd(Vector512.Create(scores[2 * t]), x, a);
                b = Vector512.FusedMultiplyAdd(Vector512.Create(scores[(2 * t) + 1]), x, b);
            }

            T.Store(result + i * T.Size, (a + c) * inverse[0]);
            if (count > 1) T.Store(second + i * T.Size, (b + e) * inverse[1]);
        }
    }
}
