using static TorchSharp.torch;

namespace RlHarness.Training.Losses;

/// <summary>Generalised advantage estimation (Schulman et al. 2016, eq. 16).</summary>
internal static class Advantages
{
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
