using System.Runtime.Intrinsics;
using RlHarness.Models.Native;
using static TorchSharp.torch;

// Symbols: N tokens, h heads, d head size, R dimensions that are rotated.
namespace RlHarness.Models.Kernels;

/// <summary>Rotary positions (Su et al. 2021) in the layout of Hugging Face's files: dimension i turns with i + R/2.</summary>
internal static unsafe class Rotary
{
    /// <summary>
    /// Turns heads by their positions' angles; with <paramref name="back"/> by the opposite ones, which is the gradient.
    /// </summary>
    /// <param name="x">[N, width]; heads stand at columns [offset, offset + h·d).</param>
    /// <param name="target">Same, with its own offset.</param>
    /// <param name="cos">fp32 [N, R], or null where the layer has no positions: then the heads are copied.</param>
    /// <param name="sin">Same; negative in the first half of its columns.</param>
    /// <param name="factor">On the result.</param>
    internal static void Apply(
        Tensor x,
        long offset,
        Tensor target,
        long targetOffset,
        long heads,
        long headDim,
        Tensor? cos,
        Tensor? sin,
        bool back = false,
        float factor = 1
    )
    {
        OperandDevices.Same("rotary positions", x, target, cos, sin);
        if (!FusedKernels.Apply(x) || x.dtype != target.dtype)
        {
            var turned = Turn(x.narrow(1, offset, heads * headDim), heads, headDim, cos, sin, back);
            target.narrow(1, targetOffset, heads * headDim).copy_(factor == 1 ? turned : turned * factor);
            return;
        }

        if (x.dtype == ScalarType.BFloat16)
            Run<BFloat16Element>(x, offset, target, targetOffset, (int)heads, (int)headDim, cos, sin, back, factor);
        else
            Run<Float32Element>(x, offset, target, targetOffset, (int)heads, (int)headDim, cos, sin, back, factor);
    }

    /// <summary>
    /// By libtorch's operations, as a new tensor: heads x [N, heads·d] → the same in fp32, by three operations, for each is a launch on a device.
    /// </summary>
    internal static Tensor Turn(Tensor x, long heads, long headDim, Tensor? cos, Tensor? sin, bool back = false)
    {
        if (cos is null || sin is null)
            return x;
        OperandDevices.Same("rotary positions", x, cos, sin);
        var all = x.reshape(-1, heads, headDim).to(ScalarType.Float32);
        var rotary = cos.shape[1];
        var part = rotary == headDim ? all : all.narrow(-1, 0, rotary);
        // The other half of each pair, with the sign that is in sin.
        var turned = (part * cos.unsqueeze(1)).addcmul(part.roll(rotary / 2, -1), sin.unsqueeze(1), back ? -1 : 1);
        return (rotary == headDim ? turned : cat([turned, all.narrow(-1, rotary, headDim - rotary)], -1)).reshape(-1, heads * headDim);
    }

    private static void Run<T>(
        Tensor x,
        long offset,
        Tensor target,
        long targetOffset,
        int heads,
        int headDim,
        Tensor? cos,
        Tensor? sin,
        bool back,
        float factor
    )
        where T : IElement
    {
        long rows = x.shape[0],
            width = x.shape[1],
            targetWidth = target.shape[1];
        var rotary = cos is null ? 0 : (int)cos.shape[1];
        byte* px = FusedKernels.Address(x) + offset * T.Size,
            py = FusedKernels.Address(target) + targetOffset * T.Size;
        float* pc = cos is null ? null : (float*)FusedKernels.Address(cos),
            ps = sin is null ? null : (float*)FusedKernels.Address(sin);
        CpuThreads.For(rows, FusedKernels.Piece(heads * headDim), (from, to) =>
        {
            for (var row = from; row < to; row++)
                for (var h = 0; h < heads; h++)
                {
                    byte* a = px + (row * width + (long)h * headDim) * T.Size,
                        o = py + (row * targetWidth + (long)h * headDim) * T.Size;
                    if (rotary > 0)
                        Head<T>(a, o, pc + row * rotary, ps + row * rotary, rotary / 2, back ? -1 : 1, factor);
                    for (var i = rotary; i < headDim; i++)
                        T.Set(o + i * T.Size, T.Get(a + i * T.Size) * factor);
                }
        });
    }

    private static void Head<T>(byte* x, byte* y, float* cos, float* sin, int half, float sign, float factor)
        where T : IElement
    {
        var i = 0;
        for (; i + 16 <= half; i += 16)
        {
            Vector512<float> first = T.Load(x + i * T.Size),
                second = T.Load(x + (i + half) * T.Size);
            T.Store(y + i * T.Size, (first * Vector512.Load(cos + i) + second * (Vector512.Load(sin + i) * sign)) * factor);
            T.Store(y + (i + half) * T.Size, (second * Vector512.Load(cos + i + half) + first * (Vector512.Load(sin + i + half) * sign)) * factor);
        }

        for (; i < half; i++)
        {
            float first = T.Get(x + i * T.Size),
                second = T.Get(x + (i + half) * T.Size);
            T.Set(y + i * T.Size, (first * cos[i] + second * (sin[i] * sign)) * factor);
            T.Set(y + (i + half) * T.Size, (second * cos[i + half] + first * (sin[i + half] * sign)) * factor);
        }
    }
}
