using RlHarness.Models.Native;
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
        OperandDevices.Same("policy loss", newLogprobs, oldLogprobs, advantages, weights);
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

/// <summary>The clipped value loss of PPO2: ½ Σ weight · max((V − R)², (V_old + clip(V − V_old, ±c) − R)²).</summary>
public static class ValueLoss
{
    /// <param name="Loss">A scalar.</param>
    /// <param name="Clipped">1 where the clipped term is the larger, elementwise.</param>
    public sealed record Result(Tensor Loss, Tensor Clipped);

    /// <summary>All of one shape; <paramref name="clipRange"/> null: no clipping.</summary>
    public static Result Compute(Tensor values, Tensor oldValues, Tensor returns, Tensor weights, double? clipRange)
    {
        OperandDevices.Same("value loss", values, oldValues, returns, weights);
        var plain = (values - returns).square();
        var clipped = clipRange is { } c ? (oldValues + (values - oldValues).clamp(-c, c) - returns).square() : plain;
        return new Result(0.5 * (maximum(plain, clipped) * weights).sum(), (clipped > plain).to(values.dtype));
    }
}

/// <summary>Bradley–Terry loss of a reward model: −log σ(chosen − rejected − margin), plus a term that keeps the scores centred.</summary>
internal static class PreferenceLoss
{
    /// <summary>Scores [pairs]; <paramref name="centering"/> weighs mean((chosen + rejected)²) (Eisenstein et al. 2023).</summary>
    public static Tensor BradleyTerry(Tensor chosen, Tensor rejected, Tensor? margin = null, double centering = 0)
    {
        var difference = chosen - rejected;
        if (margin is not null)
            difference -= margin;
        var loss = -nn.functional.logsigmoid(difference).mean();
        return centering == 0 ? loss : loss + centering * (chosen + rejected).square().mean();
    }

    /// <summary>Share of pairs whose chosen side scores higher.</summary>
    public static Tensor Accuracy(Tensor chosen, Tensor rejected) => (chosen > rejected).to(ScalarType.Float64).mean();
}
