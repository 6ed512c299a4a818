using RlHarness.Models.Native;
using RlHarness.Training.Losses;

namespace RlHarness.Training.Algorithms;

/// <summary>
/// REINFORCE with a leave-one-out baseline (Ahmadian et al. 2024, "Back to Basics"): a response is one action, worth its score less β · KL of the whole
/// response, relative to the mean of the other samples of its prompt. The sum over tokens is the action's log-probability, hence the constant normalisation.
/// </summary>
internal sealed class Rloo : Algorithm
{
    public override bool UsesCritic => false;

    public override LossNormalization DefaultNormalization => LossNormalization.Constant;

    public override Estimate Of(ScoredEpisodes episodes)
    {
        var kl = HostReads.Array<double>((episodes.Kl * episodes.Mask).sum(1)); // [N]
        double[] rewards = [.. episodes.Scores.Select((score, i) => score - (episodes.KlCoefficient * kl[i]))];
        return PerResponse(ByGroup(rewards, episodes.Groups, Advantages), episodes);
    }

    /// <summary>r − mean of the others in the group; 0 for a group of one.</summary>
    internal static double[] Advantages(double[] rewards)
    {
        var sum = rewards.Sum();
        return [.. rewards.Select(r => rewards.Length == 1 ? 0 : r - ((sum - r) / (rewards.Length - 1)))];
    }
}
