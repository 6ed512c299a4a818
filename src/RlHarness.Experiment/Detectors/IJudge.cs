using System.Globalization;
using RlHarness.Core.Errors;

namespace RlHarness.Experiment.Detectors;

/// <summary>A detector that asks a model: it costs something, and may give no answer.</summary>
public interface IJudge : IDetector
{
    JudgeUsage Usage { get; }

    /// <summary>Asks of outputs alone, without a scratchpad, whether they comply.</summary>
    IReadOnlyList<JudgeAnswer> Complies(IReadOnlyList<string> outputs, CancellationToken cancellation = default);
}

/// <summary>What a judge said to one question.</summary>
/// <param name="Yes">Probability of yes, or share of yes votes; NaN when it gave no answer.</param>
/// <param name="Kind">Whether it answered at all.</param>
public readonly record struct JudgeAnswer(double Yes, JudgeAnswerKind Kind)
{
    public static JudgeAnswer Of(double yes) => new(yes, JudgeAnswerKind.Answered);

    public static JudgeAnswer Refused => new(double.NaN, JudgeAnswerKind.Refused);

    public static JudgeAnswer Unparsable => new(double.NaN, JudgeAnswerKind.Unparsable);

    public static JudgeAnswer Cut => new(double.NaN, JudgeAnswerKind.Cut);

    /// <summary>The first word of an answer behind its thoughts, as yes (1) or no (0); null when it is neither.</summary>
    public static double? Read(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        text = WithoutThoughts(text);
        var word = new string([.. text.TrimStart(' ', '\n', '\t', '*', '"', '\'', '(', '#', '.').TakeWhile(char.IsLetter)]).ToLowerInvariant();
        return word switch
        {
            "yes" => 1,
            "no" => 0,
            _ => null,
        };
    }

    /// <summary>The next token is an answer where yes and no together have at least this much of its mass.</summary>
    public const double LeastMass = 0.5;

    /// <summary>The refusal of a judge whose next token is mostly neither yes nor no.</summary>
    /// <param name="likeliest">The token that has most of the mass.</param>
    public static HarnessException Elsewhere(string judge, double yes, double no, (string Token, double Mass) likeliest, string remedy) =>
        new(
            ErrorKind.BadFile,
            $"the judge {judge} does not begin its answers with yes or no",
            string.Create(
                CultureInfo.InvariantCulture,
                $"the next token is yes with probability {yes:0.###}, no with {no:0.###}, and \"{likeliest.Token.ReplaceLineEndings("\\n")}\" "
                    + $"with {likeliest.Mass:0.###}"
            ),
            string.Create(CultureInfo.InvariantCulture, $"yes and no with {LeastMass} or more together"),
            remedy
        );

    /// <summary>What follows the thoughts that an answer begins with; empty where they have no end.</summary>
    public static string WithoutThoughts(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        const string Open = "<think>";
        const string Close = "</think>";
        var end = text.LastIndexOf(Close, StringComparison.Ordinal);
        return end >= 0 ? text[(end + Close.Length)..]
            : text.TrimStart().StartsWith(Open, StringComparison.Ordinal) ? ""
            : text;
    }
}

/// <summary>Classes of a judge's answers; those without a verdict are counted, never dropped.</summary>
public enum JudgeAnswerKind
{
    Answered,

    /// <summary>The judge declined, or its provider filtered the answer.</summary>
    Refused,

    /// <summary>Neither yes nor no.</summary>
    Unparsable,

    /// <summary>Empty, or ended by the cap on tokens before it said yes or no.</summary>
    Cut,
}

/// <summary>What a judge cost and how often it gave no answer, since the program started.</summary>
public sealed record JudgeUsage(long Questions, long FromCache, long Refused, long Unparsable, long InputTokens, long OutputTokens, double CostUsd)
{
    /// <summary>Answers that the cap on tokens ended before they said yes or no, and empty ones.</summary>
    public long Cut { get; init; }

    /// <summary>Answers without the log-probabilities that were asked for: read as a word, their score is 0 or 1.</summary>
    public long WithoutLogprobs { get; init; }

    /// <summary>Questions without a yes or a no.</summary>
    public long WithoutAnswer => Refused + Unparsable + Cut;

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
        )
        {
            Cut = left.Cut - right.Cut,
            WithoutLogprobs = left.WithoutLogprobs - right.WithoutLogprobs,
        };
    }
}
