using System.Runtime.Intrinsics;
using RlHarness.Models.Native;
using static TorchSharp.torch;

// Symbols: R rows, V vocabulary.
namespace RlHarness.Models.Kernels;

/// <summary>
/// Log-probabilities, entropy and the gradient by the logits, each in one or two passes over a row, with nothing of the size [R, V] beside the logits
/// themselves.
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
    /// <param name="logits">Unscaled.</param>
    /// <param name="targets">Chosen tokens.</param>
    /// <param name="temperature">Divides the logits.</param>
    /// <param name="operands">What the logits were summed from, where it is another type than theirs.</param>
    public static Result Forward(Tensor logits, Tensor targets, double temperature, ScalarType? operands = null)
    {
        ArgumentNullException.ThrowIfNull(logits);
        ArgumentNullException.ThrowIfNull(targets);
        OperandDevices.Same("log-probabilities", logits, targets);
        if (!FusedKernels.Apply(logits))
        {
            var z = Wide(logits);
            if (temperature != 1)
                z = z / temperature;
            var sum = z.logsumexp(-1, keepdim: true);
            var p = (z - sum).exp();
            return new((z.gather(1, targets.unsqueeze(1)) - sum).squeeze(1), sum.squeeze(1) - (p * z).sum([1L]), sum.squeeze(1));
        }

        Tensor New() => empty(logits.shape[0], dtype: ScalarType.Float32);
        var result = new Result(New(), New(), New());
        if (logits.dtype == ScalarType.BFloat16)
            Run<BFloat16Element>(logits, targets, (float)temperature, result);
        else if (operands == ScalarType.BFloat16)
            Run<SummedElement>(logits, targets, (float)temperature, result);
        else
            Run<Float32Element>(logits, targets, (float)temperature, result);
        return result;
    }

    /// <summary>
    /// The gradient of the loss by the logits, given those by log-probability [R] and, where there is one, by entropy [R]. It replaces the logits and is
    /// they, unless <paramref name="operands"/> are of another type: then it is a new tensor of that type.
    /// </summary>
    public static Tensor Backward(
        Tensor logits,
        Tensor targets,
        double temperature,
        Result forward,
        Tensor logprobGradient,
        Tensor? entropyGradient,
        ScalarType? operands = null
    )
    {
        ArgumentNullException.ThrowIfNull(logits);
        ArgumentNullException.ThrowIfNull(targets);
        ArgumentNullException.ThrowIfNull(forward);
        ArgumentNullException.ThrowIfNull(logprobGradient);
        OperandDevices.Same("gradient of log-probabilities", logits, targets, logprobGradient, entropyGradient);
        if (!FusedKernels.Apply(logits))
        {
            var z = Wide(logits);
            var logp = (temperature == 1 ? z : z / temperature) - forward.LogSum.unsqueeze(1);
            var p = logp.exp();
            var d = -logprobGradient.unsqueeze(1) * p;
            if (entropyGradient is not null)
                d.sub_(entropyGradient.unsqueeze(1) * p * (logp + forward.Entropy.unsqueeze(1)));
            d.scatter_add_(1, targets.unsqueeze(1), logprobGradient.unsqueeze(1));
            logits.copy_(temperature == 1 ? d : d / temperature);
            return operands is { } type && type != logits.dtype ? logits.to(type) : logits;
        }

        using var g = logprobGradient.contiguous();
        using var h = entropyGradient?.contiguous();
        if (operands == ScalarType.BFloat16 && logits.dtype == ScalarType.Float32)
        {
            var gradient = empty(logits.shape, dtype: ScalarType.BFloat16);
            Run<SummedElement, BFloat16Element>(logits, targets, (float)temperature, forward, g, h, gradient);
            return gradient;
        }

        if (logits.dtype == ScalarType.BFloat16)
            Run<BFloat16Element, BFloat16Element>(logits, targets, (float)temperature, forward, g, h, logits);
        else
            Run<Float32Element, Float32Element>(logits, targets, (float)temperature, forward, g, h, logits);
        return logits;
    }

    private static Tensor Wide(Tensor logits) => logits.dtype == ScalarType.Float64 ? logits : logits.to(ScalarType.Float32);

    private static void Run<T>(Tensor logits, Tensor targets, float temperature, Result result)
        where T : IElement
    {
        var v = logits.shape[1];
        var pz = FusedKernels.Address(logits);
        var pt = (long*)FusedKernels.Address(targets);
        float* pl = (float*)FusedKernels.Address(result.Logprobs),
            pe = (float*)FusedKernels.Address(result.Entropy),
            ps = (float*)FusedKernels.Address(result.LogSum);
        CpuThreads.For(logits.shape[0], FusedKernels.Piece(v), (from, to) =>
        {
            for (var row = from; row < to; row++)
            {
                var z = pz + row * v * T.Size;
                var largest = RowMaximum.Of<T>(z, v) / temperature;
                Vector512<float> sums = Vector512<float>.Zero,
                    products = Vector512<float>.Zero;
                long i = 0;
                for (; i + 16 <= v; i += 16)
                {
                    var shifted = Vector512.Max(T.Load(z + i * T.Size) / temperature - Vector512.Create(largest), Vector512.Create(Lowest));
                    var e = T.Exp(shifted);
                    sums += e;
                    products = Vector512.FusedMultiplyAdd(e, shifted, products);
                }

                float sum = Vector512.Sum(sums),
                    product = Vector512.Sum(products);
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

    private static void Run<T, TGradient>(Tensor logits, Tensor targets, float temperature, Result forward, Tensor g, Tensor? h, Tensor gradient)
        where T : IElement
        where TGradient : IElement
    {
        var v = logits.shape[1];
        byte* pz = FusedKernels.Address(logits),
            po = FusedKernels.Address(gradient);
        var pt = (long*)FusedKernels.Address(targets);
        float* pe = (float*)FusedKernels.Address(forward.Entropy),
            ps = (float*)FusedKernels.Address(forward.LogSum),
            pg = (float*)FusedKernels.Address(g),
            ph = h is null ? null : (float*)FusedKernels.Address(h);
        CpuThreads.For(logits.shape[0], FusedKernels.Piece(v), (from, to) =>
        {
            for (var row = from; row < to; row++)
            {
                byte* z = pz + row * v * T.Size,
                    o = po + row * v * TGradient.Size;
                float sum = ps[row],
                    byLogprob = pg[row],
                    byEntropy = ph == null ? 0 : ph[row];
                // The target's part in fp32, before the row is overwritten.
                var logpOfTarget = T.Get(z + pt[row] * T.Size) / temperature - sum;
                long i = 0;
                for (; i + 16 <= v; i += 16)
                {
                    var logp = T.Load(z + i * T.Size) / temperature - Vector512.Create(sum);
                    TGradient.Store(
                        o + i * TGradient.Size,
                        T.Exp(logp) * (Vector512.Create(-byLogprob) - byEntropy * (logp + Vector512.Create(pe[row]))) / temperature
                    );
                }

                for (; i < v; i++)
                {
                    var logp = T.Get(z + i * T.Size) / temperature - sum;
                    TGradient.Set(o + i * TGradient.Size, MathF.Exp(logp) * (-byLogprob - byEntropy * (logp + pe[row])) / temperature);
                }

                TGradient.Set(
                    o + pt[row] * TGradient.Size,
                    (byLogprob + MathF.Exp(logpOfTarget) * (-byLogprob - byEntropy * (logpOfTarget + pe[row]))) / temperature
                );
            }
        });
    }
}
