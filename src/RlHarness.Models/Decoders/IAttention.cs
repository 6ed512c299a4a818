using static TorchSharp.torch;

namespace RlHarness.Models.Decoders;

/// <summary>Attention over whole sequences, or over a cache: what differs between training and generation.</summary>
internal interface IAttention
{
    /// <summary>q [N, h·d], k and v [N, g·d], rotated already and scaled so that 1/√d remains → [N, h·d].</summary>
    Tensor Attend(int layer, Tensor q, Tensor k, Tensor v);
}
