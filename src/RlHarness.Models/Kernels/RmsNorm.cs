using System.Runtime.Intrinsics;
using RlHarness.Models.Native;
using static TorchSharp.torch;

// Symbols: N rows, W width.
namespace RlHarness.Models.Kernels;

/// <summary>
/// RMSNorm (Zhang and Sennrich 2019) in fp32, with the residual sum before it and the cast behind it in one pass, and its gradient written by hand:
/// y = x̂ w with x̂ = x r, r = 1/√(mean(x²) + ε); dx = r (dy w − x̂ mean(dy w x̂)), dw = Σ dy x̂.
/// </summary>
internal static unsafe class RmsNorm
{
    /// <summary>Rows whose contributions to dw are summed first, whatever the number of threads.</summary>
    private const long SumRows = 64;

    /// <param name="Sum">x, or x + added where something is added; fp32 [N, W].</param>
    /// <param name="Y">Normalised, in the asked type [N, W].</param>
    /// <param name="Scale">r, fp32 [N].</param>
    internal readonly record struct Result(Tensor Sum, Tensor Y, Tensor Scale);

    /// <summary>
    /// x fp32 [N, W], added [N, W] or null, weight fp32 [W]; <paramref name="place"/> may give a sum and a result that are to be kept their place.
    /// </summary>
    internal static Result Forward(Tensor x, Tensor? added, Tensor weight, double eps, ScalarType type, Func<long[], ScalarType, Tensor?>? place = null)
    {
        OperandDevices.Same("norm", x, added, weight);
        if (!FusedKernels.Apply(x) || (type != ScalarType.Float32 && type != ScalarType.BFloat16))
            return Plain(x, added, weight, eps, type);
        Tensor Place(ScalarType t) => place?.Invoke(x.shape, t) ?? empty(x.shape, dtype: t);
        var sum = added is null ? x : Place(ScalarType.Float32);
        var y = Place(type);
        var scale = empty(x.numel() / x.shape[^1], dtype: ScalarType.Float32);
        var low = type == ScalarType.BFloat16;
        if (added?.dtype == ScalarType.BFloat16)
        {
            if (low)
                Run<BFloat16Element, BFloat16Element>(x, added, weight, eps, sum, y, scale);
            else
                Run<BFloat16Element, Float32Element>(x, added, weight, eps, sum, y, scale);
        }
        else if (low)
        {
            Run<Float32Element, BFloat16Element>(x, added, weight, eps, sum, y, scale);
        }
        else
        {
            Run<Float32Element, Float32Element>(x, added, weight, eps, sum, y, scale);
        }

        return new(sum, y, scale);
    }

    /// <summary>
    /// Adds dx to <paramref name="gradient"/> (fp32 [N, W]) and dw to <paramref name="weightGradient"/> (fp32 [W], or null where the weight is
    /// frozen).
    /// </summary>
    internal static void Backward(Tensor dy, Tensor x, Tensor scale, Tensor weight, Tensor gradient, Tensor? weightGradient)
    {
        OperandDevices.Same("gradient of a norm", x, dy, weight, gradient);
        if (!FusedKernels.Apply(x))
        {
            var width = x.shape[^1];
            var r = scale.view([.. x.shape[..^1], 1]);
            var normed = x * r;
            var wide = dy.to(ScalarType.Float32);
            var weighted = wide * weight;
            gradient.addcmul_(r, weighted.addcmul(normed, (weighted * normed).mean([-1L], keepdim: true), -1), 1);
            weightGradient?.add_((wide * normed).view(-1, width).sum([0L]));
            return;
        }

        if (dy.dtype == ScalarType.BFloat16)
            Run<BFloat16Element>(dy, x, scale, weight, gradient, weightGradient);
        else
            Run<Float32Element>(dy, x, scale, weight, gradient, weightGradient);
    }

    private static Result Plain(Tensor x, Tensor? added, Tensor weight, double eps, ScalarType type)
    {
        var sum = added is null ? x : x + added;
        var scale = (sum.square().mean([-1L], keepdim: true) + eps).rsqrt();
        return new(sum, (sum * scale * weight).to(type), scale.view(-1));
    }

    private static void Run<TAdded, TOut>(Tensor x, Tensor? added, Tensor weight, double eps, Tensor sum, Tensor y, Tensor scale)
        where TAdded : IElement
        where TOut : IElement
    {
        var width = (int)x.shape[^1];
        var rows = x.numel() / width;
        byte* px = FusedKernels.Address(x),
            pa = added is null ? null : FusedKernels.Address(added),
            py = FusedKernels.Address(y),
            pw = FusedKernels.Address(weight);
        float* ps = (float*)FusedKernels.Address(sum),
            pr = (float*)FusedKernels.Address(scale);
        CpuThreads.For(rows, FusedKernels.Piece(width), (from, to) =>
        {
            for (var row = from; row < to; row++)
            {
                var s = ps + row * width;
                if (pa != null)
                    Add<TAdded>((float*)px + row * width, pa + row * width * TAdded.Size, s, width);
                var squares = Vector512<float>.Zero;
                var i = 0;
                for (; i + 16 <= width; i += 16)
                {
                    var v = Vector512.Load(s + i);
                    squares = Vector512.FusedMultiplyAdd(v, v, squares);
                }

                var total = Vector512.Sum(squares);
                for (; i < width; i++)
                    total += s[i] * s[i];
                var r = 1 / MathF.Sqrt(total / width + (float)eps);
                pr[row] = r;
                var o = py + row * width * TOut.Size;
                for (i = 0; i + 16 <= width; i += 16)
                    TOut.Store(o + i * TOut.Size, Vector512.Load(s + i) * r * Vector512.Load((float*)pw + i));
                for (; i < width; i++)
                    TOut.Set(o + i * TOut.Size, s[i] * r * ((float*)pw)[i]);
            }
        });
    }

    private static void Add<T>(float* x, byte* added, float* sum, int width)
        where T : IElement
    {
        var i = 0;
        for (; i + 16 <= width; i += 16)
            Vector512.Store(Vector512.Load(x + i) + T.Load(added + i * T.Size), sum + i);
        for (; i < width; i++)
            sum[i] = x[i] + T.Get(added + i * T.Size);
    }

    private static void Run<T>(Tensor dy, Tensor x, Tensor scale, Tensor weight, Tensor gradient, Tensor? weightGradient)
        where T : IElement
    {
        var width = (int)x.shape[^1];
        var rows = x.numel() / width;
        var pieces = (rows + SumRows - 1) / SumRows;
        using var sums = weightGradient is null ? null : zeros(pieces, width, dtype: ScalarType.Float32);
        var pd = FusedKernels.Address(dy);
        float* px = (float*)FusedKernels.Address(x),
            pr = (float*)FusedKernels.Address(scale),
            pw = (float*)FusedKernels.Address(weight),
            pg = (float*)FusedKernels.Address(gradient);
        var pt = sums is null ? null : (float*)FusedKernels.Address(sums);
        CpuThreads.For(rows, SumRows, (from, to) =>
        {
            for (var row = from; row < to; row++)
                Row<T>(pd + row * width * T.Size, px + row * width, pr[row], pw, pg + row * width, pt == null ? null : pt + from / SumRows * width, width);
        });
        if (sums is null)
            return;
        using var scope = NewDisposeScope();
        weightGradient!.add_(sums.sum([0L]));
    }

    private static void Row<T>(byte* dy, float* x, float r, float* w, float* gradient, float* sums, int width)
        where T : IElement
    {
        var dots = Vector512<float>.Zero;
        var i = 0;
        for (; i + 16 <= width; i += 16)
            dots = Vector512.FusedMultiplyAdd(T.Load(dy + i * T.Size) * Vector512.Load(w + i), Vector512.Load(x + i), dots);
        var dot = Vector512.Sum(dots);
        for (; i < width; i++)
            dot += T.Get(dy + i * T.Size) * w[i] * x[i];
        var pull = dot * r * r / width; // mean(dy w x̂) · r, for x̂ = x r
        for (i = 0; i + 16 <= width; i += 16)
        {
            var d = T.Load(dy + i * T.Size);
            var v = Vector512.Load(x + i);
            Vector512.Store(Vector512.Load(gradient + i) + (d * Vector512.Load(w + i) - v * pull) * r, gradient + i);
            if (sums != null)
                Vector512.Store(Vector512.FusedMultiplyAdd(d, v * r, Vector512.Load(sums + i)), sums + i);
        }

        for (; i < width; i++)
        {
            var d = T.Get(dy + i * T.Size);
            gradient[i] += (d * w[i] - x[i] * pull) * r;
            if (sums != null)
                sums[i] += d * x[i] * r;
        }
    }
}
