using TorchSharp;
using static TorchSharp.torch;

namespace RlHarness.Models.Decoders;

/// <summary>Cos and sin rows of one batch, [N, rotary], for full and for sliding-window layers.</summary>
internal sealed record RopeRows(Tensor Cos, Tensor Sin, Tensor LocalCos, Tensor LocalSin, int RotaryDim)
{
    /// <summary>Rotates halves: [N, heads, d] → [N, heads, d] (the layout of Hugging Face's files).</summary>
    internal Tensor Rotate(Tensor x, bool local)
    {
        var cos = (local ? LocalCos : Cos).unsqueeze(1); // [N, 1, rotary]
        var sin = (local ? LocalSin : Sin).unsqueeze(1);
        var half = RotaryDim / 2;
        var all = x.shape[^1];
        var turned = RotaryDim == all ? x : x.narrow(-1, 0, RotaryDim);
        var swapped = cat([-turned.narrow(-1, half, half), turned.narrow(-1, 0, half)], -1);
        var rotated = turned * cos + swapped * sin;
        return RotaryDim == all ? rotated : cat([rotated, x.narrow(-1, RotaryDim, all - RotaryDim)], -1);
    }
}
