using static TorchSharp.torch;

namespace RlHarness.Models.Decoders;

/// <summary>Rows of the embedding matrix. libtorch's own lookup has a parallel gradient, where index_select's is a serial scatter.</summary>
internal static class Embedding
{
    /// <summary>weight [V, H], ids [N] → [N, H].</summary>
    internal static Tensor Lookup(Tensor weight, Tensor ids) => weight.index_select(0, ids);
}
