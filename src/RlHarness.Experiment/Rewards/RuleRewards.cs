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
    public int FreeWords { get; } = freeWords > 0 ? freeWords : throw new ArgumentOutOfRangeException(nameof(freeWords), freeWords, "at least 1");

    public string Name => "length_penalty";

    public double Score(RewardInput input)
    {
        ArgumentNullException.ThrowIfNull(input);
        return -Math.Min(1, Math.Max(0, Words.Count(input.Output) - FreeWords) / (double)FreeWords);
    }
}

/// <summary>0 up to <paramref name="freeWords"/> words of scratchpad, then −1 for each further <paramref name="freeWords"/>, without a bound.</summary>
public sealed class ScratchpadLengthPenalty(int freeWords)
{
    /// <summary>0 without a scratchpad.</summary>
    public double Score(ScratchpadRewardInput input)
    {
        ArgumentNullException.ThrowIfNull(input);
        return -Math.Max(0, Words.Count(input.Scratchpad) - freeWords) / (double)freeWords;
    }
}

/// <summary>Words as white space separates them.</summary>
internal static class Words
{
    private static readonly char[] Spaces = [' ', '\n', '\t', '\r'];

    public static int Count(string? text) => text?.Split(Spaces, StringSplitOptions.RemoveEmptyEntries).Length ?? 0;
}
