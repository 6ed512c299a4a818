namespace RlHarness.Experiment.Rewards;

/// <summary>−1 for a broken format, else 0.</summary>
public sealed class FormatPenalty : IRuleReward
{
    public string Name => "format_penalty";

    public double Score(RewardInput input)
    {
        ArgumentNullException.ThrowIfNull(input);
        return input.FormatProblem is null ? 0 : -1;
    }
}
