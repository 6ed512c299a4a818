using RlHarness.Models.Native;
using RlHarness.Training.Losses;
using static TorchSharp.torch;

namespace RlHarness.Training.Algorithms;

/// <summary>PPO's: generalised advantage estimation with a critic (Schulman et al. 2016, eq. 16), the KL penalty in the reward of each token.</summary>
/// <param name="gamma">Discount for each token.</param>
/// <param name="lambda">Weight of later temporal differences.</param>
/// <param name="whiten">Whether advantages are shifted and scaled to mean 0 and variance 1 over the tokens that are trained.</param>
internal sealed class GeneralizedAdvantage(double gamma, double lambda, bool whiten) : Algorithm
{
    public override bool UsesCritic => true;

    public override LossNormalization DefaultNormalization => LossNormalization.Token;

    public override Estimate Of(ScoredEpisodes episodes)
    {
        var gae = Gae(episodes.TokenRewards(), episodes.Values!, episodes.Mask, gamma, lambda);
        var several = HostReads.Number(episodes.Trained.sum()) > 1;
        return new(whiten && several ? Masked.Whiten(gae.Values, episodes.Trained) : gae.Values, gae.Returns);
    }

    /// <param name="Values">A_t = Σ (γλ)ˡ δ_{t+l}, δ_t = r_t + γ V_{t+1} − V_t, with V = 0 past the end; not whitened.</param>
    /// <param name="Returns">A + V, before any whitening.</param>
    public sealed record Result(Tensor Values, Tensor Returns);

    /// <summary>Token rewards: −coefficient · KL everywhere, plus the score on the last response token. All [B, T]; scores [B].</summary>
    public static Tensor TokenRewards(Tensor kl, double coefficient, Tensor scores, IReadOnlyList<int> lengths, Tensor mask)
    {
        using var scope = NewDisposeScope();
        var last = tensor(lengths.Select(l => (long)(l - 1)).ToArray(), lengths.Count, 1, device: kl.device);
        return (-coefficient * kl * mask).scatter_add(1, last, scores.to(kl.dtype).unsqueeze(1)).MoveToOuterDisposeScope();
    }

    /// <summary>rewards, values, mask [B, T]; the mask is 1 on response tokens, which come first.</summary>
    public static Result Gae(Tensor rewards, Tensor values, Tensor mask, double gamma, double lambda)
    {
        using var scope = NewDisposeScope();
        var m = mask.to(rewards.dtype);
        var (r, v) = (rewards * m, values.to(rewards.dtype) * m);
        var steps = r.shape[1];
        var columns = new Tensor[steps];
        var next = zeros_like(r.select(1, 0));
        var last = zeros_like(next);
        for (var t = steps - 1; t >= 0; t--)
        {
            var value = v.select(1, t);
            last = (r.select(1, t) + gamma * next - value + gamma * lambda * last) * m.select(1, t);
            columns[t] = last;
            next = value;
        }

        var advantages = stack(columns, 1);
        return new Result(advantages.MoveToOuterDisposeScope(), ((advantages + v) * m).MoveToOuterDisposeScope());
    }
}
