// Symbols: R rows, V vocabulary.
using System.Runtime.Intrinsics;
using TorchSharp;
using static TorchSharp.torch;

namespace RlHarness.Models.Kernels;

/// <summary>
/// Log-probabilities, entropy and the gradient by the logits, each in one or two passes over a row, with nothing of the size [R, V] beside the logits themselves.
/// With z = logits / temperature: log p = z_target − log Σ e^z, entropy = log Σ e^z − Σ p z;
/// d loss / d logits = (g (onehot − p) − h p (log p + entropy)) / temperature, for gradients g and h of the loss by log-probability and by entropy.
/// </summary>
public static unsafe class TokenSoftmax
{
    /// <summary>A token that is left out has −∞; from here on its probability is 0, and 0 · −∞ must not be asked for.</summary>
    private const float Lowest = -1000;

    /// <param name="Logprobs">log p of the targets, fp32 [R].</param>
    /// <param name="Entropy">−Σ p log p in nats, fp32 [R].</param>
    /// <param name="LogSum">log Σ e^z, fp32 [R].</param>
    public sealed record Result(Tensor Logprobs, Tensor Entropy, Tensor LogSum);

    /// <summary>logits [R, V] in fp32 or bfloat16 (or fp64, without kernels), targets int64 [R].</summary>
    public static Result Forward(Tensor logits, Tensor targets, double temperature)
    {
        ArgumentNullException.ThrowIfNull(logits);
        ArgumentNullException.ThrowIfNull(targets);
        if (!FusedKernels.Apply(logits))
        {
            var z = Wide(logits);
            if (temperature != 1) z = z / temperature;
            var sum = z.logsumexp(-1, keepdim: true);
            var p = (z - sum).exp();
            return new((z.gather(1, targets.unsqueeze(1)) - sum).squeeze(1), sum.squeeze(1) - (p * z).sum([1L]), sum.squeeze(1));
        }

        Tensor New() => empty(logits.shape[0], dtype: ScalarType.Float32);
        var result = new Result(New(), New(), New());
        if (logits.dtype == ScalarType.BFloat16) Run<BFloat16Element>(logits, targets, (float)temperature, result);
        else Run<Float32Element>(logits, targets, (float)temperature, result);
        return result;
    }

    /// <summary>Replaces the logits by the gradient of the loss, given those by log-probability [R] and, where there is one, by entropy [R].</summary>
    public static void Backward(Tensor logits, Tensor targets, double temperature, Result forward, Tensor logprobGradient, Tensor? entropyGradient)
    {
        ArgumentNullException.ThrowIfNull(logits);
        ArgumentNullException.ThrowIfNull(targets);
        ArgumentNullException.ThrowIfNull(forward);
        ArgumentNullException.ThrowIfNull(logprobGradient);
        if (!FusedKernels.Apply(logits))
        {
            var z = Wide(logits);
            var logp = (temperature == 1 ? z : z / temperature) - forward.LogSum.unsqueeze(1);
            var p = logp.exp();
            var d = -logprobGradient.unsqueeze(1) * p;
            if (entropyGradient is not null) d.sub_(entropyGradient.unsqueeze(1) * p * (logp + forward.Entropy.unsqueeze(1)));
            d.scatter_add_(1, targets.unsqueeze(1), logprobGradient.unsqueeze(1));
            logits.copy_(temperature == 1 ? d : d / temperature);
            return;
        }

        using var g = logprobGradient.contiguous();
        using var h = entropyGradient?.contiguous();
        if (logits.dtype == ScalarType.BFloat16) Run<BFloat16Element>(logits, targets, (float)temperature, forward, g, h);
        else Run<Float32Element>(logits, targets, (float)temperature, forward, g, h);
    }

    private static Tensor Wide(Tensor logits) => logits.dtype == ScalarType.Float64 ? logits : logits.to(ScalarType.Float32);

    private static void Run<T>(Tensor logits, Tensor targets, float temperature, Result result)
        where T : IElement
    {
        var v = logits.shape[1];
        var pz = FusedKernels.Address(logits);
        var pt = (long*)FusedKernels.Address(targets);
        float* pl = (float*)FusedKernels.Address(result.Logprobs), pe = (float*)FusedKernels.Address(result.Entropy), ps = (float*)FusedKernels.Address(result.LogSum);
        CpuThreads.For(logits.shape[0], FusedKernels.Piece(v), (from, to) =>
        {
            for (var row = from; row < to; row++)
            {
                var z = pz + row * v * T.Size;
                var largest = RowMaximum.Of<T>(z, v) / temperature;
                Vector512<float> sums = Vector512<float>.Zero, products = Vector512<float>.Zero;
                long i = 0;
                for (; i + 16 <= v; i += 16)
                {
                    var shifted = Vector512.Max(T.Load(z + i * T.Size) / temperature - Vector512.Create(largest), Vector512.Create(Lowest));
                    var e = T.Exp(shifted);
                    sums += e;
                    products = Vector512.FusedMultiplyAdd(e, shifted, products);
                }

                float sum = Vector512.Sum(sums), product = Vector512.Sum(products);
                for (; i < v; i++)
                {
                    var shifted = MathF.Max(T.Get(z + i * T.Size) / temperature - largest, Lowest);
                    var e = MathF.Exp(shifted);
                    sum += e;
                    product += e * shifted;
                }

                var log = MathF.Log(sum);
                pl[row] = T.Get(z + pt[row] * T.Size) / temperature - largest - log;
                pe[row] = log - product / sum;
                ps[row] = largest + log;
            }
        });
    }

    private static void Run<T>(Tensor logits, Tensor targets, float temperature, Result forward, Tensor g, Tensor? h)
        where T : IElement
    {
        var v = logits.shape[1];
        var pz = FusedKernels.Address(logits);
        var pt = (long*)FusedKernels.Address(targets);
        float* pe = (float*)FusedKernels.Address(forward.Entropy), ps = (float*)FusedKernels.Address(forward.LogSum), pg = (float*)FusedKernels.Address(g), ph = h is null ? null : (float*)FusedKernels.Address(h);
        CpuThreads.For(logits.shape[0], FusedKernels.Piece(v), (from, to) =>
        {
            for (var row = from; row < to; row++)
            {
                var z = pz + row * v * T.Size;
                float sum = ps[row], byLogprob = pg[row], byEntropy = ph == null ? 0 : ph[row];
                // The target's part in fp32, before the row is overwritten.
                var chosen = z + pt[row] * T.Size;
                var logpOfTarget = T.Get(chosen) / temperature - sum;
                long i = 0;
                for (; i + 16 <= v; i += 16)
                {
                    var logp = T.Load(z + i * T.Size) / temperature - Vector512.Create(sum);
                    T.Store(z + i * T.Size, T.Exp(logp) * (Vector512.Create(-byLogprob) - byEntropy * (logp + Vector512.Create(pe[row]))) / temperature);
                }

                for (; i < v; i++)
                {
                    var logp = T.Get(z + i * T.Size) / temperature - sum;
                    T.Set(z + i * T.Size, MathF.Exp(logp) * (-byLogprob - byEntropy * (logp + pe[row])) / temperature);
                }

                T.Set(chosen, (byLogprob + MathF.Exp(logpOfTarget) * (-byLogprob - byEntropy * (logpOfTarget + pe[row]))) / temperature);
            }
        });
    }
}
