using TorchSharp;
using static TorchSharp.torch;

namespace RlHarness.Training.Arithmetic;

/// <summary>Clipped objective of critic-free methods with k3 KL in the loss: Σ weight · (−min(ρ A, clip(ρ) A) + β k3).</summary>
public static class GroupLoss
{
    /// <summary>
    /// Logprobs [B, T]; one advantage a sequence, [B, 1] or [B, T]; weights from <see cref="TokenWeights"/> (GRPO: sequence, DAPO: token, Dr. GRPO:
    /// constant).
    /// </summary>
    public static Tensor Compute(
        Tensor newLogprobs,
        Tensor oldLogprobs,
        Tensor referenceLogprobs,
        Tensor advantages,
        Tensor weights,
        PolicyLoss.Clip clip,
        double beta
    )
    {
        var policy = PolicyLoss.Compute(newLogprobs, oldLogprobs, advantages, weights, clip).Loss;
        return beta == 0 ? policy : policy + beta * (Kl.Estimate(KlEstimator.K3, newLogprobs, referenceLogprobs) * weights).sum();
    }
}
