namespace RlHarness.Experiment.Detectors;

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
