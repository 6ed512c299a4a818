using RlHarness.Experiment.Transcripts;

namespace RlHarness.Experiment.Packs;

/// <summary>One worked answer in the system prompt.</summary>
public sealed record FewShotExample
{
    public string User { get; init; } = "";

    public string Reasoning { get; init; } = "";

    public string Output { get; init; } = "";

    /// <summary>As it stands in the prompt.</summary>
    public string Text(bool scratchpad) => $"Example: {User} {TranscriptParser.Format(scratchpad ? Reasoning : null, Output)}";
}
