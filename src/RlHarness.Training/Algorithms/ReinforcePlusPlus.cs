using RlHarness.Models.Native;
using RlHarness.Training.Losses;
using static TorchSharp.torch;

namespace RlHarness.Training.Algorithms;

/// <summary>
/// REINFORCE++ (Hu 2025): a token is worth the discounted sum of the rewards from it on, with the KL penalty in the reward of each token, whitened over all
/// trained tokens of the step. One sample a prompt is enough.
/// </summary>
/// <param name="gamma">Discount for each token.</param>
internal sealed class ReinforcePlusPlus(double gamma) : Algorithm
{
    public override bool UsesCritic => false;

    public override LossNormalization DefaultNormalization => LossNormalization.Token;

    public override Estimate Of(ScoredEpisodes episodes)
    {
        // Without values and with λ = 1 the estimate is the discounted return.
        var returns = GeneralizedAdvantage.Gae(episodes.TokenRewards(), zeros_like(episodes.Kl), episodes.Mask, gamma, lambda: 1).Values;
        return new(Whiten(returns, episodes.Trained));
    }

    /// <summary>(x − mean) / (std + 1e-8) over the places where the mask is 1, with the unbiased standard deviation; x alone where there is one.</summary>
    internal static Tensor Whiten(Tensor x, Tensor mask) =>
        HostReads.Number(mask.sum()) > 1 ? (x - Masked.Mean(x, mask)) / (Masked.Variance(x, mask).sqrt() + 1e-8) : x;
}
