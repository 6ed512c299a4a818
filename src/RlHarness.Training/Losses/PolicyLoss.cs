using static TorchSharp.torch;

namespace RlHarness.Training.Losses;

/// <summary>The clipped policy objective (Schulman et al. 2017, eq. 7), to be minimised.</summary>
public static class PolicyLoss
{
    /// <param name="Low">The ratio is clipped to [1 − Low, 1 + High].</param>
    /// <param name="High">Above Low: "clip higher" (DAPO).</param>
    /// <param name="Dual">For negative advantages the loss is at most −A · Dual (Ye et al. 2020); null: not used.</param>
    public sealed record Clip(double Low, double High, double? Dual = null);

    /// <param name="Loss">Σ weight · max(−A ρ, −A clip(ρ)), a scalar.</param>
    /// <param name="Ratio">ρ = exp(new − old), elementwise.</param>
    /// <param name="Clipped">1 where the clipped term is the larger, elementwise.</param>
    public sealed record Result(Tensor Loss, Tensor Ratio, Tensor Clipped);

    /// <summary>All of one shape; <paramref name="weights"/> are <see cref="TokenWeights"/> and 0 where there is no token.</summary>
    public static Result Compute(Tensor newLogprobs, Tensor oldLogprobs, Tensor advantages, Tensor weights, Clip clip)
    {
        var ratio = (newLogprobs - oldLogprobs).exp();
        var plain = -advantages * ratio;
        var clipped = -advantages * ratio.clamp(1 - clip.Low, 1 + clip.High);
        var loss = maximum(plain, clipped);
        if (clip.Dual is { } dual)
            loss = where(advantages < 0, minimum(loss, -advantages * dual), loss);
        return new Result((loss * weights).sum(), ratio.detach(), (clipped > plain).to(newLogprobs.dtype));
    }

    /// <summary>Mean of (new − old)² / 2 over the mask: TRL's <c>policy/approxkl_avg</c>.</summary>
    public static Tensor ApproximateKl(Tensor newLogprobs, Tensor oldLogprobs, Tensor mask) => 0.5 * Masked.Mean((newLogprobs - oldLogprobs).square(), mask);
}
