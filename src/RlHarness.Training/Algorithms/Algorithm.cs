using RlHarness.Training.Losses;
using static TorchSharp.torch;

// Symbols: N episodes, T response tokens of the longest.
namespace RlHarness.Training.Algorithms;

/// <summary>Algorithms that share the iteration of <c>PpoTrainer</c>: each is one file of this folder.</summary>
public enum AlgorithmKind
{
    /// <summary>A critic and generalised advantage estimation (Schulman et al. 2017).</summary>
    Ppo,

    /// <summary>Scores relative to the other samples of the same prompt; KL in the loss (Shao et al. 2024).</summary>
    Grpo,

    /// <summary>Leave-one-out baseline over the samples of the same prompt; KL in the score (Ahmadian et al. 2024).</summary>
    Rloo,

    /// <summary>Returns whitened over all tokens of the step; KL in the reward of each token (Hu 2025).</summary>
    ReinforcePlusPlus,
}

/// <summary>
/// What an algorithm is in this harness: what a token of a response is worth, and where the KL penalty acts. Sampling, scoring, the clipped loss, minibatches
/// and optimizers are the same for all.
/// </summary>
internal abstract class Algorithm
{
    /// <summary>Whether values are needed; an algorithm without a critic takes half the memory of one with a body of its own.</summary>
    public abstract bool UsesCritic { get; }

    /// <summary>Whether the KL penalty is a term of the loss; else it lowers the reward.</summary>
    public virtual bool KlInLoss => false;

    /// <summary>How token losses become a loss where the settings do not say.</summary>
    public abstract LossNormalization DefaultNormalization { get; }

    /// <summary>Advantages, and what the critic is to learn.</summary>
    public abstract Estimate Of(ScoredEpisodes episodes);

    /// <param name="Advantages">float64 [N, T]; places behind a response are never read.</param>
    /// <param name="Returns">Targets of the critic, float64 [N, T]; null without one.</param>
    internal sealed record Estimate(Tensor Advantages, Tensor? Returns = null);

    /// <summary>The same worth for each token of a response.</summary>
    private protected static Estimate PerResponse(double[] worth, ScoredEpisodes episodes) =>
        new(tensor(worth, device: CPU).unsqueeze(1).expand(worth.Length, episodes.Mask.shape[1]));

    /// <summary>Applies a function of a group's scores to each group: the samples of one prompt.</summary>
    private protected static double[] ByGroup(double[] scores, IReadOnlyList<int> groups, Func<double[], double[]> of)
    {
        var worth = new double[scores.Length];
        foreach (var group in Enumerable.Range(0, scores.Length).GroupBy(i => groups[i]))
        {
            int[] members = [.. group];
            var values = of([.. members.Select(i => scores[i])]);
            for (var k = 0; k < members.Length; k++)
                worth[members[k]] = values[k];
        }

        return worth;
    }
}

/// <summary>What is known of the episodes before the first update, float64 on the host; [N, T] is padded with 0 behind each response.</summary>
/// <param name="Scores">[N].</param>
/// <param name="Kl">KL estimate of each token (nats), [N, T].</param>
/// <param name="Mask">1 on response tokens, [N, T].</param>
/// <param name="Trained">1 on the response tokens that get a gradient, [N, T].</param>
/// <param name="Lengths">Response tokens of each episode.</param>
/// <param name="Groups">Episodes with the same number answer the same prompt.</param>
/// <param name="Values">The critic's values, [N, T]; null without one.</param>
/// <param name="KlCoefficient">Reward or loss per nat.</param>
internal sealed record ScoredEpisodes(
    double[] Scores,
    Tensor Kl,
    Tensor Mask,
    Tensor Trained,
    IReadOnlyList<int> Lengths,
    IReadOnlyList<int> Groups,
    Tensor? Values,
    double KlCoefficient
)
{
    /// <summary>Token rewards: −coefficient · KL everywhere, plus the score on the last response token, [N, T].</summary>
    public Tensor TokenRewards() => GeneralizedAdvantage.TokenRewards(Kl, KlCoefficient, tensor(Scores, device: CPU), Lengths, Mask);
}
