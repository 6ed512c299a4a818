using RlHarness.Training.Losses;

namespace RlHarness.Training.Algorithms;

/// <summary>
/// Group relative policy optimisation (Shao et al. 2024, "DeepSeekMath"): a response is worth its score relative to the other samples of its prompt, and
/// β · k3 is a term of the loss. Without the division by the standard deviation and with the constant normalisation it is Dr. GRPO (Liu et al. 2025); with
/// clip-higher and the token normalisation it has DAPO's loss (Yu et al. 2025).
/// </summary>
/// <param name="scale">Whether advantages are divided by the standard deviation of their group.</param>
internal sealed class Grpo(bool scale) : Algorithm
{
    public override bool UsesCritic => false;

    public override bool KlInLoss => true;

    public override LossNormalization DefaultNormalization => LossNormalization.Sequence;

    public override Estimate Of(ScoredEpisodes episodes) => PerResponse(ByGroup(episodes.Scores, episodes.Groups, group => Advantages(group, scale)), episodes);

    /// <summary>(r − mean) / (std + 1e-4), with the unbiased standard deviation, or r − mean; 0 for a group of one.</summary>
    internal static double[] Advantages(double[] scores, bool scale)
    {
        var mean = scores.Average();
        var divisor = scale && scores.Length > 1 ? Math.Sqrt(scores.Sum(r => (r - mean) * (r - mean)) / (scores.Length - 1)) + 1e-4 : 1;
        return [.. scores.Select(r => (r - mean) / divisor)];
    }
}
