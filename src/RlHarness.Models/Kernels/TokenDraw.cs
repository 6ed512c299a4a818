using System.Buffers;
using System.Runtime.Intrinsics;
using static TorchSharp.torch;

// Symbols: B rows, V vocabulary.
namespace RlHarness.Models.Kernels;

/// <summary>Draws a token a row from softmax(logits / temperature) by inverting the cumulative distribution, without writing one down.</summary>
internal static unsafe class TokenDraw
{
    /// <summary>Tokens whose probabilities are summed before they enter the cumulative sum.</summary>
    private const int Block = 256;

    /// <summary>Logits [B, V] in fp32 or bfloat16, uniforms [B] in [0, 1) → ids and their log-probabilities.</summary>
    internal static (long[] Ids, float[] Logprobs) Draw(Tensor logits, double temperature, double[] uniforms, ScalarType? operands = null)
    {
        var (ids, logprobs) = (new long[uniforms.Length], new float[uniforms.Length]);
        if (logits.dtype == ScalarType.BFloat16)
            Run<BFloat16Element>(logits, (float)temperature, uniforms, ids, logprobs);
        else if (operands == ScalarType.BFloat16)
            Run<SummedElement>(logits, (float)temperature, uniforms, ids, logprobs);
        else
            Run<Float32Element>(logits, (float)temperature, uniforms, ids, logprobs);
        return (ids, logprobs);
    }

    private static void Run<T>(Tensor logits, float temperature, double[] uniforms, long[] ids, float[] logprobs)
        where T : IElement
    {
        var v = logits.shape[1];
        var pz = FusedKernels.Address(logits);
        CpuThreads.For(uniforms.Length, 1, (from, to) =>
        {
            var sums = ArrayPool<double>.Shared.Rent((int)((v + Block - 1) / Block));
            for (var row = from; row < to; row++)
                (ids[row], logprobs[row]) = One<T>(pz + row * v * T.Size, v, temperature, uniforms[row], sums);
            ArrayPool<double>.Shared.Return(sums);
        });
    }

    private static (long Id, float Logprob) One<T>(byte* z, long v, float temperature, double uniform, double[] sums)
        where T : IElement
    {
        var largest = RowMaximum.Of<T>(z, v) / temperature;
        var total = 0.0;
        var blocks = 0;
        for (var at = 0L; at < v; at += Block)
            total += sums[blocks++] = Sum<T>(z + at * T.Size, (int)Math.Min(Block, v - at), temperature, largest);
        var left = uniform * total;
        var block = 0;
        while (block < blocks - 1 && left >= sums[block])
            left -= sums[block++];
        // Within the block; a number that rounds beyond its end belongs to the last token that can be drawn at all.
        var id = -1L;
        var end = Math.Min(v, (block + 1L) * Block);
        for (var i = (long)block * Block; i < end; i++)
        {
            var p = MathF.Exp(T.Get(z + i * T.Size) / temperature - largest);
            if (p <= 0)
                continue;
            id = i;
            left -= p;
            if (left < 0)
                break;
        }

        // The block's sum was positive by a number that rounds to nothing here: take the likeliest token.
        if (id < 0)
            for (id = 0; T.Get(z + id * T.Size) / temperature < largest; id++) { }
        return (id, (float)(T.Get(z + id * T.Size) / temperature - largest - Math.Log(total)));
    }

    private static float Sum<T>(byte* z, int count, float temperature, float largest)
        where T : IElement
    {
        var sums = Vector512<float>.Zero;
        var i = 0;
        for (; i + 16 <= count; i += 16)
            sums += T.Exp(T.Load(z + i * T.Size) / temperature - Vector512.Create(largest));
        var sum = Vector512.Sum(sums);
        for (; i < count; i++)
            sum += MathF.Exp(T.Get(z + i * T.Size) / temperature - largest);
        return sum;
    }
}
