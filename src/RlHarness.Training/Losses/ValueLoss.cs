using static TorchSharp.torch;

namespace RlHarness.Training.Losses;

/// <summary>The clipped value loss of PPO2: ½ Σ weight · max((V − R)², (V_old + clip(V − V_old, ±c) − R)²).</summary>
public static class ValueLoss
{
    /// <param name="Loss">A scalar.</param>
    /// <param name="Clipped">1 where the clipped term is the larger, elementwise.</param>
    public sealed record Result(Tensor Loss, Tensor Clipped);

    /// <summary>All of one shape; <paramref name="clipRange"/> null: no clipping.</summary>
    public static Result Compute(Tensor values, Tensor oldValues, Tensor returns, Tensor weights, double? clipRange)
    {
        var plain = (values - returns).square();
        var clipped = clipRange is { } c ? (oldValues + (values - oldValues).clamp(-c, c) - returns).square() : plain;
        return new Result(0.5 * (maximum(plain, clipped) * weights).sum(), (clipped > plain).to(values.dtype));
    }
}
