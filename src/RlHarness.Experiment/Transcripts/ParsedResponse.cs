namespace RlHarness.Experiment.Transcripts;

/// <summary>An assistant's text in its parts.</summary>
/// <param name="Reasoning">What is in the scratchpad, also when it is not closed; null where there is none.</param>
/// <param name="Output">What the user would see; null where it cannot be told apart from reasoning.</param>
/// <param name="FormatProblem">One of <see cref="FormatProblems"/>; null when the format is right.</param>
public sealed record ParsedResponse(string? Reasoning, string? Output, string? FormatProblem)
{
    public bool IsBroken => FormatProblem is not null;
}
