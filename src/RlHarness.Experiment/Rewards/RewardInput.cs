using RlHarness.Experiment.Transcripts;

namespace RlHarness.Experiment.Rewards;

/// <summary>All that a reward may see: the user's text, the output and what is wrong with the format. There is no place in it for reasoning or tier.</summary>
public sealed record RewardInput
{
    private RewardInput(string userText, string? output, string? formatProblem) => (UserText, Output, FormatProblem) = (userText, output, formatProblem);

    public string UserText { get; }

    /// <summary>Null where the output cannot be told apart from reasoning.</summary>
    public string? Output { get; }

    /// <summary>One of <see cref="FormatProblems"/>, never a quotation.</summary>
    public string? FormatProblem { get; }

    /// <summary>Takes the output and the format problem out of a response, and leaves its reasoning behind.</summary>
    public static RewardInput From(string userText, ParsedResponse response)
    {
        ArgumentNullException.ThrowIfNull(response);
        return new RewardInput(userText, response.Output, response.FormatProblem);
    }
}

/// <summary>What a reward term is given if it asked for the scratchpad by name; no other input has a place for it.</summary>
/// <param name="Scratchpad">Null where there is none.</param>
public sealed record ScratchpadRewardInput(string? Scratchpad, RewardInput Output);
