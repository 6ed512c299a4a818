namespace RlHarness.Experiment.Rewards;

/// <summary>A reward that is a pure function of what the user would see.</summary>
public interface IRuleReward
{
    string Name { get; }

    double Score(RewardInput input);
}

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

/// <summary>0 up to <paramref name="freeWords"/> words of output, then −1 for each further <paramref name="freeWords"/>, never below −1.</summary>
public sealed class LengthPenalty(int freeWords = 40) : IRuleReward
{
    private static readonly char[] Spaces = [' ', '\n', '\t', '\r'];

    public int FreeWords { get; } = freeWords > 0 ? freeWords : throw new ArgumentOutOfRangeException(nameof(freeWords), freeWords, "at least 1");

    public string Name => "length_penalty";

    public double Score(RewardInput input)
    {
        ArgumentNullException.ThrowIfNull(input);
        var words = input.Output?.Split(Spaces, StringSplitOptions.RemoveEmptyEntries).Length ?? 0;
        return -Math.Min(1, Math.Max(0, words - FreeWords) / (double)FreeWords);
    }
}
