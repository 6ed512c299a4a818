using TorchSharp;
using static TorchSharp.torch;

namespace RlHarness.Models.Decoders;

/// <summary>RMSNorm (Zhang and Sennrich 2019), fp32.</summary>
internal static class RmsNorm
{
    /// <summary>x [.., W], weight [W] → [.., W].</summary>
    internal static Tensor Apply(Tensor x, Tensor weight, double eps)
    {
        var wide = x.to(ScalarType.Float32);
        return wide * (wide.square().mean([-1L], keepdim: true) + eps).rsqrt() * weight;
    }
}
