using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using RlHarness.Models.Native;
using static TorchSharp.torch;

// Symbols: N rows, M intermediate size.
namespace RlHarness.Models.Kernels;

/// <summary>The gate's activation in the feed-forward part.</summary>
public enum Activation
{
    Silu,
    GeluTanh,
}

/// <summary>
/// The gated feed-forward's middle: a(gate) · up with a = silu (Shazeer 2020) or gelu by its tanh form. The gradient is written by hand, and gives the result
/// once more, so that the forward pass need not keep it.
/// </summary>
internal static unsafe class GatedUnit
{
    private const float GeluScale = 0.7978845608028654f,
        GeluCube = 0.044715f; // √(2/π)

    /// <summary>[N, 2M] (gate, then up) → [N, M].</summary>
    internal static Tensor Forward(Tensor both, Activation activation)
    {
        var m = both.shape[^1] / 2;
        if (!FusedKernels.Apply(both))
        {
            var gate = both.narrow(-1, 0, m);
            return (activation == Activation.Silu ? nn.functional.silu(gate) : Gelu(gate)) * both.narrow(-1, m, m);
        }

        var result = empty([.. both.shape[..^1], m], dtype: both.dtype);
        Dispatch(both, activation, null, result);
        return result;
    }

    /// <summary>Replaces <paramref name="both"/> by its gradient, given that of the result [N, M]; returns the result once more.</summary>
    internal static Tensor Backward(Tensor both, Activation activation, Tensor gradient)
    {
        OperandDevices.Same("gradient of a gated unit", both, gradient);
        if (!FusedKernels.Apply(both))
            return PlainBackward(both, activation, gradient);
        var result = empty(gradient.shape, dtype: both.dtype);
        Dispatch(both, activation, gradient, result);
        return result;
    }

    private static Tensor PlainBackward(Tensor both, Activation activation, Tensor gradient)
    {
        var m = both.shape[^1] / 2;
        Tensor gate = both.narrow(-1, 0, m).to(ScalarType.Float32),
            up = both.narrow(-1, m, m).to(ScalarType.Float32),
            wide = gradient.to(ScalarType.Float32);
        Tensor active,
            slope;
        if (activation == Activation.Silu)
        {
            var s = gate.sigmoid();
            active = gate * s;
            slope = (s + active).addcmul(active, s, -1); // s (1 + gate (1 − s))
        }
        else
        {
            var t = (GeluScale * (gate + GeluCube * gate.pow(3))).tanh();
            active = 0.5 * gate * (1 + t);
            slope = 0.5 * (1 + t) + 0.5 * gate * (1 - t * t) * GeluScale * (1 + 3 * GeluCube * gate * gate);
        }

        // In fp32 gate and up are views of what is now overwritten.
        var result = (active * up).to(both.dtype);
        var (byGate, byUp) = (wide * up * slope, wide * active);
        both.narrow(-1, 0, m).copy_(byGate);
        both.narrow(-1, m, m).copy_(byUp);
        return result;
    }

    private static void Dispatch(Tensor both, Activation activation, Tensor? gradient, Tensor result)
    {
        var low = both.dtype == ScalarType.BFloat16;
        if (activation == Activation.Silu)
        {
            if (low)
                Run<BFloat16Element, Silu>(both, gradient, result);
            else
                Run<Float32Element, Silu>(both, gradient, result);
        }
        else if (low)
        {
            Run<BFloat16Element, GeluTanh>(both, gradient, result);
        }
        else
        {
            Run<Float32Element, GeluTanh>(both, gradient, result);
        }
    }

    private static void Run<T, TActivation>(Tensor both, Tensor? gradient, Tensor result)
        where T : IElement
        where TActivation : IActivation
    {
        var m = result.shape[^1];
        byte* pb = FusedKernels.Address(both),
            pd = gradient is null ? null : FusedKernels.Address(gradient),
            py = FusedKernels.Address(result);
        CpuThreads.For(result.numel() / m, FusedKernels.Piece(m), (from, to) =>
        {
            byte* padded = stackalloc byte[16 * 4 * 4];
            for (var row = from; row < to; row++)
            {
                byte* gate = pb + row * 2 * m * T.Size,
                    up = gate + m * T.Size,
                    y = py + row * m * T.Size,
                    d = pd == null ? null : pd + row * m * T.Size;
                long i = 0;
                for (; i + 16 <= m; i += 16)
                    Lane<T, TActivation>(gate + i * T.Size, up + i * T.Size, y + i * T.Size, d == null ? null : d + i * T.Size);
                if (i == m)
                    continue;

                // The rest goes through the same vectors, so that a number does not depend on where in its row it stands.
                var rest = (m - i) * T.Size;
                byte* g = padded,
                    u = g + 64,
                    o = u + 64,
                    e = o + 64;
                new Span<byte>(padded, 256).Clear();
                Buffer.MemoryCopy(gate + i * T.Size, g, 64, rest);
                Buffer.MemoryCopy(up + i * T.Size, u, 64, rest);
                if (d != null)
                    Buffer.MemoryCopy(d + i * T.Size, e, 64, rest);
                Lane<T, TActivation>(g, u, o, d == null ? null : e);
                Buffer.MemoryCopy(o, y + i * T.Size, rest, rest);
                if (d == null)
                    continue;
                Buffer.MemoryCopy(g, gate + i * T.Size, rest, rest);
                Buffer.MemoryCopy(u, up + i * T.Size, rest, rest);
            }
        });
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Lane<T, TActivation>(byte* gate, byte* up, byte* result, byte* gradient)
        where T : IElement
        where TActivation : IActivation
    {
        Vector512<float> g = T.Load(gate),
            u = T.Load(up);
        var (active, slope) = TActivation.At<T>(g);
        T.Store(result, active * u);
        if (gradient == null)
            return;
        var d = T.Load(gradient);
        T.Store(gate, d * u * slope);
        T.Store(up, d * active);
    }

    private static Tensor Gelu(Tensor x) => 0.5 * x * (1 + (GeluScale * (x + GeluCube * x.pow(3))).tanh());

    private interface IActivation
    {
        /// <summary>Value and derivative.</summary>
        static abstract (Vector512<float> Value, Vector512<float> Slope) At<T>(Vector512<float> x)
            where T : IElement;
    }

    private readonly struct Silu : IActivation
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static (Vector512<float> Value, Vector512<float> Slope) At<T>(Vector512<float> x)
            where T : IElement
        {
            var s = Vector512<float>.One / (Vector512<float>.One + T.Exp(-x));
            return (x * s, s * (Vector512<float>.One + x * (Vector512<float>.One - s)));
        }
    }

    private readonly struct GeluTanh : IActivation
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static (Vector512<float> Value, Vector512<float> Slope) At<T>(Vector512<float> x)
            where T : IElement
        {
            var half = Vector512.Create(0.5f);
            var inner = GeluScale * (x + GeluCube * x * x * x);
            // tanh z = 1 − 2 / (e^{2z} + 1)
            var t = Vector512<float>.One - Vector512.Create(2f) / (T.Exp(inner + inner) + Vector512<float>.One);
            var slope =
                half * (Vector512<float>.One + t) + half * x * (Vector512<float>.One - t * t) * GeluScale * (Vector512<float>.One + 3 * GeluCube * x * x);
            return (half * x * (Vector512<float>.One + t), slope);
        }
    }
}
