using System.Numerics;
using System.Runtime.InteropServices;
using RlHarness.Models.Kernels;
using RlHarness.Models.Native;
using static TorchSharp.torch;

namespace RlHarness.Training.Optimization;

/// <summary>
/// One pass over flat CPU memory for an AdamW step, on the threads that everything else runs on. Pieces are the same for any number of threads, and each
/// element is computed by itself, so the result does not depend on that number.
/// </summary>
internal static class FusedAdamW
{
    private const long Piece = 1 << 20;

    internal readonly record struct Constants(
        float GradientScale,
        float Beta1,
        float Beta2,
        float Epsilon,
        float StepSize,
        float InverseCorrection2,
        float Decay
    );

    internal static void Update(Tensor parameters, Tensor gradient, Tensor m, Tensor v, long decayed, Constants c)
    {
        var count = parameters.shape[0];
        // Cut on this thread: those of libtorch must not make or free tensors.
        var pieces = new (Tensor P, Tensor G, Tensor M, Tensor V)[(count + Piece - 1) / Piece];
        for (var i = 0; i < pieces.Length; i++)
        {
            var (at, length) = (i * Piece, Math.Min(Piece, count - i * Piece));
            pieces[i] = (parameters.narrow(0, at, length), gradient.narrow(0, at, length), m.narrow(0, at, length), v.narrow(0, at, length));
        }

        CpuThreads.For(count, Piece, (from, to) =>
        {
            var piece = pieces[from / Piece];
            Update(Floats(piece.P), Floats(piece.G), Floats(piece.M), Floats(piece.V), (int)Math.Clamp(decayed - from, 0, to - from), c);
        });
        foreach (var (p, g, first, second) in pieces)
        {
            p.Dispose();
            g.Dispose();
            first.Dispose();
            second.Dispose();
        }
    }

    private static Span<float> Floats(Tensor t) => MemoryMarshal.Cast<byte, float>(HostReads.Memory(t));

    private static void Update(Span<float> p, Span<float> g, Span<float> m, Span<float> v, int decayed, Constants c)
    {
        if (c.Decay != 1)
            for (var i = 0; i < decayed; i++)
                p[i] *= c.Decay;
        var width = Vector<float>.Count;
        int at = 0,
            end = p.Length - p.Length % width;
        var pv = MemoryMarshal.Cast<float, Vector<float>>(p);
        var gv = MemoryMarshal.Cast<float, Vector<float>>(g);
        var mv = MemoryMarshal.Cast<float, Vector<float>>(m);
        var vv = MemoryMarshal.Cast<float, Vector<float>>(v);
        for (; at < end; at += width)
        {
            var i = at / width;
            var gradient = gv[i] * c.GradientScale;
            var first = mv[i] * c.Beta1 + gradient * (1 - c.Beta1);
            var second = vv[i] * c.Beta2 + gradient * gradient * (1 - c.Beta2);
            mv[i] = first;
            vv[i] = second;
            pv[i] -= c.StepSize * first / (Vector.SquareRoot(second) * c.InverseCorrection2 + new Vector<float>(c.Epsilon));
        }

        for (; at < p.Length; at++)
        {
            var gradient = g[at] * c.GradientScale;
            m[at] = m[at] * c.Beta1 + gradient * (1 - c.Beta1);
            v[at] = v[at] * c.Beta2 + gradient * gradient * (1 - c.Beta2);
            p[at] -= c.StepSize * m[at] / (MathF.Sqrt(v[at]) * c.InverseCorrection2 + c.Epsilon);
        }
    }
}
