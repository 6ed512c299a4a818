using static TorchSharp.torch;

namespace RlHarness.Training.Losses;

/// <summary>Clipped objective of critic-free methods with k3 KL in the loss: Σ weight · (−min(ρ A, clip(ρ) A) + β k3).</summary>
internal static class GroupLoss
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

/// <summary>Advantages of methods without critic, from scores [prompts, samples of each].</summary>
internal static class GroupAdvantages
{
    /// <summary>(r − mean) / (std + 1e-4), unbiased std within the group (Shao et al. 2024).</summary>
    public static Tensor Grpo(Tensor scores) => (scores - scores.mean([1L], keepdim: true)) / (scores.std(1, unbiased: true, keepdim: true) + 1e-4);

    /// <summary>r − mean of the group (Liu et al. 2025).</summary>
    public static Tensor DrGrpo(Tensor scores) => scores - scores.mean([1L], keepdim: true);

    /// <summary>r − mean of the others in the group (Ahmadian et al. 2024).</summary>
    public static Tensor Rloo(Tensor scores) => scores - (scores.sum(1, keepdim: true) - scores) / (scores.shape[1] - 1);

    /// <summary>Whitened over all scores, (r − mean) / (std + 1e-8) (Hu 2025).</summary>
    public static Tensor ReinforcePlusPlus(Tensor scores) => (scores - scores.mean()) / (scores.std(unbiased: true) + 1e-8);
}
