namespace RlHarness.Experiment.Detectors;

/// <summary>What a judge cost and how often it gave no answer, since the program started.</summary>
public sealed record JudgeUsage(long Questions, long FromCache, long Refused, long Unparsable, long InputTokens, long OutputTokens, double CostUsd)
{
    public static JudgeUsage operator -(JudgeUsage a, JudgeUsage b) => Subtract(a, b);

    public static JudgeUsage Subtract(JudgeUsage left, JudgeUsage right)
    {
        ArgumentNullException.ThrowIfNull(left);
        ArgumentNullException.ThrowIfNull(right);
        return new(
            left.Questions - right.Questions,
            left.FromCache - right.FromCache,
            left.Refused - right.Refused,
            left.Unparsable - right.Unparsable,
            left.InputTokens - right.InputTokens,
            left.OutputTokens - right.OutputTokens,
            left.CostUsd - right.CostUsd
        );
    }
}
