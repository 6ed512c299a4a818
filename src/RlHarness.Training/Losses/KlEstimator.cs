using static TorchSharp.torch;

namespace RlHarness.Training.Losses;

/// <summary>
/// Per-token estimators of KL(policy ‖ reference) from samples of the policy (Schulman 2020, "Approximating KL Divergence"); r = log π_ref − log π.
/// </summary>
public enum KlEstimator
{
    /// <summary>−r: unbiased, may be negative.</summary>
    K1,

    /// <summary>r² / 2: biased, never negative.</summary>
    K2,

    /// <summary>eʳ − 1 − r: unbiased, never negative.</summary>
    K3,
}

/// <summary>Computes <see cref="KlEstimator"/>.</summary>
internal static class Kl
{
    /// <summary>|r| is clamped to this before the exponential of k3; 20 is e²⁰ ≈ 5·10⁸, beyond any token that a policy would draw twice.</summary>
    public const double Clamp = 20;

    /// <summary>Elementwise over any shape; logprobs of the drawn tokens under both models at the same temperature.</summary>
    public static Tensor Estimate(KlEstimator estimator, Tensor logprobs, Tensor referenceLogprobs)
    {
        var r = referenceLogprobs - logprobs;
        return estimator switch
        {
            KlEstimator.K1 => -r,
            KlEstimator.K2 => 0.5 * r.square(),
            _ => ExpMinusOneMinus(r.clamp(-Clamp, Clamp)),
        };
    }

    /// <summary>eˣ − 1 − x, exact near 0.</summary>
    internal static Tensor ExpMinusOneMinus(Tensor x) => x.expm1() - x;
}

/// <summary>Keeps KL near a target (Ziegler et al. 2019): coefficient ·= 1 + clip(kl / target − 1, ±0.2) · batch / horizon.</summary>
public static class AdaptiveKl
{
    public static double Next(double coefficient, double kl, double target, double horizon, int batch) =>
        coefficient * (1 + Math.Clamp(kl / target - 1, -0.2, 0.2) * batch / horizon);
}
