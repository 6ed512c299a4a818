using static TorchSharp.torch;

namespace RlHarness.Models.Decoders;

/// <summary>Cos and sin rows of one batch, fp32 [N, R], for full and for sliding-window layers.</summary>
internal sealed record RopeRows(Tensor Cos, Tensor Sin, Tensor LocalCos, Tensor LocalSin);
