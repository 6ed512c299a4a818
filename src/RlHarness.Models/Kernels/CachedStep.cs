using System.Buffers;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using TorchSharp;
using static TorchSharp.torch;

// Symbols: B rows, C capacity, h query heads, g key/value heads, d head size, r = h / g.
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

    internal static bool IsSupported(Device device, ScalarType type, int headDim) =>
        FusedKernels.Enabled && device.type == DeviceType.CPU && type is ScalarType.Float32 or ScalarType.BFloat16 && headDim % 16 == 0;

    /// <summary>
    /// Writes k and v [B, g·d] into the caches [S, C, g·d], row b at place (slots[b], columns[b]), and attends from q [B, h·d] to its columns
    /// [starts[b], columns[b]]. Returns [B, h·d].
    /// </summary>
    internal static Tensor Attend(Tensor q, Tensor k, Tensor v, Tensor keys, Tensor values, long[] slots, long[] columns, long[] starts, Shape shape)
    {
        var result = empty(q.shape, dtype: q.dtype);
        using var newKeys = k.contiguous();
        using var newValues = v.contiguous();
        if (q.dtype == ScalarType.BFloat16)
            Run<BFloat16Element>(q, newKeys, newValues, keys, values, slots, columns, starts, shape, result);
        else
            Run<Float32Element>(q, newKeys, newValues, keys, values, slots, columns, starts, shape, result);
        return result;
    }

    private static void Run<T>(Tensor q, Tensor k, Tensor v, Tensor keys, Tensor values, long[] slots, long[] columns, long[] starts, Shape s, Tensor result)
        where T : IElement
    {
        long capacity = keys.shape[1],
            width = keys.shape[2];
        int d = s.HeadDim,
            groups = s.Heads / s.KeyValueHeads;
        byte* pq = FusedKernels.Address(q),
            pk = FusedKernels.Address(k),
            pv = FusedKernels.Address(v),
            pKeys = FusedKernels.Address(keys),
            pValues = FusedKernels.Address(values),
            po = FusedKernels.Address(result);
        var scale = 1 / MathF.Sqrt(d);
        var room = (int)(columns.Max() + 1) * Together;
        CpuThreads.For(q.shape[0] * s.KeyValueHeads, 4, (from, to) =>
        {
            var scores = ArrayPool<float>.Shared.Rent(room);
            var queries = stackalloc float[Together * d];
            fixed (float* p = scores)
            {
                for (var unit = from; unit < to; unit++)
                {
                    long row = unit / s.KeyValueHeads,
                        head = unit % s.KeyValueHeads,
                        column = columns[row],
                        place = slots[row] * capacity * width + head * d;
                    byte* keyHead = pKeys + place * T.Size,
                        valueHead = pValues + place * T.Size;
                    long at = (row * width + head * d) * T.Size,
                        bytes = d * T.Size;
                    Buffer.MemoryCopy(pk + at, keyHead + column * width * T.Size, bytes, bytes);
                    Buffer.MemoryCopy(pv + at, valueHead + column * width * T.Size, bytes, bytes);
                    var start = starts[row];
                    for (var first = 0; first < groups; first += Together)
                    {
                        var offset = (row * s.Heads + head * groups + first) * d * T.Size;
                        Queries<T>(
                            pq + offset,
                            po + offset,
                            Math.Min(Together, groups - first),
                            queries,
                            keyHead + start * width * T.Size,
                            valueHead + start * width * T.Size,
                            width * T.Size,
                            column + 1 - start,
                            d,
                            scale,
                            p
                        );
                    }
                }
            }

            ArrayPool<float>.Shared.Return(scores);
        });
    }

    /// <summary>
    /// Up to four queries over n columns, through room for them in fp32. Scores lie as [column, query], with four queries to a column, or two where there are
    /// no more.
    /// </summary>
    private static void Queries<T>(
        byte* q,
        byte* result,
        int count,
        float* queries,
        byte* keys,
        byte* values,
        long stride,
        long n,
        int d,
        float scale,
        float* scores
    )
        where T : IElement
    {
        for (var i = 0; i < Together * d; i += 16)
            Vector512.Store(i < count * d ? T.Load(q + i * T.Size) : Vector512<float>.Zero, queries + i);
        var pairs = count <= 2;
        var largest = pairs ? ScoresOfTwo<T>(queries, keys, stride, n, d, scale, scores) : ScoresOfFour<T>(queries, keys, stride, n, d, scale, scores);
        // Four numbers are one column of four queries, or two columns of two.
        if (pairs)
            largest = Vector128.Max(largest, Vector128.Shuffle(largest, Vector128.Create(2, 3, 0, 1)));
        var sum = Exponentials<T>(scores, (pairs ? 2 : 4) * n, largest);
        if (pairs)
            sum += Vector128.Shuffle(sum, Vector128.Create(2, 3, 0, 1));
        var inverse = Vector128<float>.One / sum;
        long head = d * T.Size;
        if (pairs)
            MixOfTwo<T>(values, stride, n, d, scores, result, result + head, count, inverse);
        else
            MixOfFour<T>(values, stride, n, d, scores, result, head, count, inverse);
    }

    /// <summary>Two columns at a time, so that a query is read once for both.</summary>
    private static Vector128<float> ScoresOfFour<T>(float* q, byte* keys, long stride, long n, int d, float scale, float* scores)
        where T : IElement
    {
        var largest = Vector128.Create(float.NegativeInfinity);
        for (var t = 0L; t < n; t += 2)
        {
            byte* key = keys + t * stride,
                next = t + 1 < n ? key + stride : key;
            Vector512<float> a = Vector512<float>.Zero,
                b = a,
                c = a,
                e = a,
                a2 = a,
                b2 = a,
                c2 = a,
                e2 = a;
            for (var i = 0; i < d; i += 16)
            {
                Vector512<float> x = T.Load(key + i * T.Size),
                    y = T.Load(next + i * T.Size),
                    query = Vector512.Load(q + i);
                a = Vector512.FusedMultiplyAdd(query, x, a);
                a2 = Vector512.FusedMultiplyAdd(query, y, a2);
                query = Vector512.Load(q + d + i);
                b = Vector512.FusedMultiplyAdd(query, x, b);
                b2 = Vector512.FusedMultiplyAdd(query, y, b2);
                query = Vector512.Load(q + 2 * d + i);
                c = Vector512.FusedMultiplyAdd(query, x, c);
                c2 = Vector512.FusedMultiplyAdd(query, y, c2);
                query = Vector512.Load(q + 3 * d + i);
                e = Vector512.FusedMultiplyAdd(query, x, e);
                e2 = Vector512.FusedMultiplyAdd(query, y, e2);
            }

            var four = SumEach(a, b, c, e) * scale;
            Vector128.Store(four, scores + 4 * t);
            largest = Vector128.Max(largest, four);
            if (t + 1 == n)
                break;
            four = SumEach(a2, b2, c2, e2) * scale;
            Vector128.Store(four, scores + 4 * t + 4);
            largest = Vector128.Max(largest, four);
        }

        return largest;
    }

    private static Vector128<float> ScoresOfTwo<T>(float* q, byte* keys, long stride, long n, int d, float scale, float* scores)
        where T : IElement
    {
        var largest = Vector128.Create(float.NegativeInfinity);
        var t = 0L;
        for (; t + 2 <= n; t += 2)
        {
            byte* key = keys + t * stride,
                next = key + stride;
            Vector512<float> a = Vector512<float>.Zero,
                b = a,
                c = a,
                e = a;
            for (var i = 0; i < d; i += 16)
            {
                Vector512<float> x = T.Load(key + i * T.Size),
                    y = T.Load(next + i * T.Size),
                    first = Vector512.Load(q + i),
                    second = Vector512.Load(q + d + i);
                a = Vector512.FusedMultiplyAdd(first, x, a);
                b = Vector512.FusedMultiplyAdd(second, x, b);
                c = Vector512.FusedMultiplyAdd(first, y, c);
                e = Vector512.FusedMultiplyAdd(second, y, e);
            }

            var four = SumEach(a, b, c, e) * scale;
            Vector128.Store(four, scores + 2 * t);
            largest = Vector128.Max(largest, four);
        }

        if (t == n)
            return largest;
        Vector512<float> one = Vector512<float>.Zero,
            two = one;
        for (var i = 0; i < d; i += 16)
        {
            var x = T.Load(keys + t * stride + i * T.Size);
            one = Vector512.FusedMultiplyAdd(Vector512.Load(q + i), x, one);
            two = Vector512.FusedMultiplyAdd(Vector512.Load(q + d + i), x, two);
        }

        (scores[2 * t], scores[(2 * t) + 1]) = (Vector512.Sum(one) * scale, Vector512.Sum(two) * scale);
        return Vector128.Max(largest, Vector128.Create(scores[2 * t], scores[(2 * t) + 1], float.NegativeInfinity, float.NegativeInfinity));
    }

    /// <summary>The sums of four vectors.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<float> SumEach(Vector512<float> a, Vector512<float> b, Vector512<float> c, Vector512<float> d)
    {
        if (!Avx.IsSupported)
            return Vector128.Create(Vector512.Sum(a), Vector512.Sum(b), Vector512.Sum(c), Vector512.Sum(d));
        var first = Avx.HorizontalAdd(a.GetLower() + a.GetUpper(), b.GetLower() + b.GetUpper());
        var second = Avx.HorizontalAdd(c.GetLower() + c.GetUpper(), d.GetLower() + d.GetUpper());
        var both = Avx.HorizontalAdd(first, second);
        return both.GetLower() + both.GetUpper();
    }

    /// <summary>Replaces scores by e^(score − largest) and returns their sums, each fourth number together.</summary>
    private static Vector128<float> Exponentials<T>(float* scores, long count, Vector128<float> largest)
        where T : IElement
    {
        var top = Vector512.Create(Vector256.Create(largest, largest), Vector256.Create(largest, largest));
        var sums = Vector512<float>.Zero;
        var j = 0L;
        for (; j + 16 <= count; j += 16)
        {
            var p = T.Exp(Vector512.Load(scores + j) - top);
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
        if (j == count)
            return sum;
        (scores[j], scores[j + 1]) = (MathF.Exp(scores[j] - largest[0]), MathF.Exp(scores[j + 1] - largest[1]));
        return sum + Vector128.Create(scores[j], scores[j + 1], 0, 0);
    }

    private static void MixOfFour<T>(byte* values, long stride, long n, int d, float* scores, byte* result, long head, int count, Vector128<float> inverse)
        where T : IElement
    {
        // Two vectors at a time, so that a weight is spread once for both; where their number is odd, the last stands for two.
        for (var i = 0; i < d; i += 32)
        {
            var second = i + 16 < d ? 16 * T.Size : 0;
            Vector512<float> a = Vector512<float>.Zero,
                b = a,
                c = a,
                e = a,
                a2 = a,
                b2 = a,
                c2 = a,
                e2 = a;
            for (var t = 0L; t < n; t++)
            {
                var at = values + t * stride + i * T.Size;
                Vector512<float> x = T.Load(at),
                    y = T.Load(at + second);
                var p = scores + 4 * t;
                var weight = Vector512.Create(p[0]);
                a = Vector512.FusedMultiplyAdd(weight, x, a);
                a2 = Vector512.FusedMultiplyAdd(weight, y, a2);
                weight = Vector512.Create(p[1]);
                b = Vector512.FusedMultiplyAdd(weight, x, b);
                b2 = Vector512.FusedMultiplyAdd(weight, y, b2);
                weight = Vector512.Create(p[2]);
                c = Vector512.FusedMultiplyAdd(weight, x, c);
                c2 = Vector512.FusedMultiplyAdd(weight, y, c2);
                weight = Vector512.Create(p[3]);
                e = Vector512.FusedMultiplyAdd(weight, x, e);
                e2 = Vector512.FusedMultiplyAdd(weight, y, e2);
            }

            var o = result + i * T.Size;
            Store(o, a, a2, inverse[0]);
            Store(o + head, b, b2, inverse[1]);
            Store(o + 2 * head, c, c2, inverse[2]);
            if (count > 3)
                Store(o + 3 * head, e, e2, inverse[3]);

            void Store(byte* to, Vector512<float> first, Vector512<float> last, float factor)
            {
                T.Store(to, first * factor);
                T.Store(to + second, last * factor);
            }
        }
    }

    private static void MixOfTwo<T>(byte* values, long stride, long n, int d, float* scores, byte* result, byte* second, int count, Vector128<float> inverse)
        where T : IElement
    {
        for (var i = 0; i < d; i += 16)
        {
            Vector512<float> a = Vector512<float>.Zero,
                b = a,
                c = a,
                e = a;
            var t = 0L;
            for (; t + 2 <= n; t += 2)
            {
                Vector512<float> x = T.Load(values + t * stride + i * T.Size),
                    y = T.Load(values + (t + 1) * stride + i * T.Size);
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
            if (count > 1)
                T.Store(second + i * T.Size, (b + e) * inverse[1]);
        }
    }
}
