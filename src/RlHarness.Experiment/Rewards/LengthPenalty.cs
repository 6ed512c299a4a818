namespace RlHarness.Experiment.Rewards;

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
