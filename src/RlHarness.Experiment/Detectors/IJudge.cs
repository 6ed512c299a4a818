namespace RlHarness.Experiment.Detectors;

/// <summary>A detector that asks a model: it costs something, and may give no answer.</summary>
public interface IJudge : IDetector
{
    JudgeUsage Usage { get; }
}

/// <summary>What a judge said to one question.</summary>
/// <param name="Yes">Probability of yes, or share of yes votes; NaN when it gave no answer.</param>
/// <param name="Kind">Whether it answered at all.</param>
public readonly record struct JudgeAnswer(double Yes, JudgeAnswerKind Kind)
{
    public static JudgeAnswer Of(double yes) => new(yes, JudgeAnswerKind.Answered);

    public static JudgeAnswer Refused => new(double.NaN, JudgeAnswerKind.Refused);

    public static JudgeAnswer Unparsable => new(double.NaN, JudgeAnswerKind.Unparsable);

    /// <summary>The first word of an answer, as yes (1) or no (0); null when it is neither.</summary>
    public static double? Read(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        var word = new string([.. text.TrimStart(' ', '\n', '\t', '*', '"', '\'', '(', '#', '.').TakeWhile(char.IsLetter)]).ToLowerInvariant();
        return word switch
        {
            "yes" => 1,
            "no" => 0,
            _ => null,
        };
    }
}

/// <summary>Classes of a judge's answers: those that are none are counted, never dropped.</summary>
public enum JudgeAnswerKind
{
    Answered,

    /// <summary>The judge declined, or its provider filtered the answer.</summary>
    Refused,

    /// <summary>Neither yes nor no.</summary>
    Unparsable,
}

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
