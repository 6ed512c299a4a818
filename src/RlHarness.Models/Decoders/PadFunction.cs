using TorchSharp;
using static TorchSharp.torch;

namespace RlHarness.Models.Decoders;

/// <summary>Packed rows [N, …] to padded [B·T, …]. The gradient is a gather too (padding has none), where autograd's own would be a serial scatter.</summary>
public sealed class PadFunction : autograd.SingleTensorFunction<PadFunction>
{
    public override string Name => nameof(PadFunction);

    public override Tensor forward(autograd.AutogradContext ctx, params object[] vars)
    {
        ctx.save_for_backward([(Tensor)vars[2]]);
        return ((Tensor)vars[0]).index_select(0, (Tensor)vars[1]);
    }

    public override List<Tensor> backward(autograd.AutogradContext ctx, Tensor grad_output)
        => [grad_output.index_select(0, ctx.get_saved_variables()[0]), null!, null!];
}

/// <summary>Padded rows [B·T, …] back to packed [N, …]; the gradient of padding is zero.</summary>
public sealed class UnpadFunction : autograd.SingleTensorFunction<UnpadFunction>
{
    public override string Name => nameof(UnpadFunction);

    public override Tensor forward(autograd.AutogradContext ctx, params object[] vars)
    {
        var padded = (Tensor)vars[0];
        ctx.save_for_backward([(Tensor)vars[1]]);
        ctx.save_data("rows", padded.shape[0]);
        return padded.index_select(0, (Tensor)vars[1]);
    }

    public override List<Tensor> backward(autograd.AutogradContext ctx, Tensor grad_output)
    {
        var shape = grad_output.shape;
        shape[0] = (long)ctx.get_data("rows");
        var gradient = zeros(shape, dtype: grad_output.dtype, device: grad_output.device);
        return [gradient.index_copy_(0, ctx.get_saved_variables()[0], grad_output), null!];
    }
}
