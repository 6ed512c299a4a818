using RlHarness.Models.Native;
using static TorchSharp.torch;

namespace RlHarness.Models.Decoders;

/// <summary>Rows of the embedding matrix. libtorch's own lookup has a parallel gradient, where index_select's is a serial scatter.</summary>
internal static class Embedding
{
    /// <summary>weight [V, H], ids [N] → [N, H].</summary>
    internal static Tensor Lookup(Tensor weight, Tensor ids)
    {
        OperandDevices.Same("embeddings", weight, ids);
        return weight.index_select(0, ids);
    }
}

/// <summary>A <see cref="DecoderPass"/> as one node of libtorch's graph, for those who write their loss with autograd.</summary>
internal sealed class DecoderFunction : autograd.SingleTensorFunction<DecoderFunction>
{
    private const string Pass = "pass";

    public override string Name => nameof(DecoderFunction);

    /// <param name="vars">A tensor that requires a gradient (and gets none), the decoder, the batch, and who wants the hidden states or null.</param>
    public override Tensor forward(autograd.AutogradContext ctx, params object[] vars)
    {
        var pass = new DecoderPass((Decoder)vars[1], (TokenBatch)vars[2], (Action<int, Tensor>?)vars[3]);
        ctx.save_data(Pass, pass);
        return pass.Hidden.clone();
    }

    public override List<Tensor> backward(autograd.AutogradContext ctx, Tensor grad_output)
    {
        using var pass = (DecoderPass)ctx.get_data(Pass);
        pass.Backward(grad_output.contiguous());
        return [null!, null!, null!, null!];
    }
}
