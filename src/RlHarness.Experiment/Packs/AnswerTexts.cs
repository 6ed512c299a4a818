namespace RlHarness.Experiment.Packs;

/// <summary>How to answer.</summary>
public sealed record AnswerTexts
{
    /// <summary>Where there is a place to reason.</summary>
    public string WithScratchpad { get; init; } = "";

    /// <summary>Where there is none.</summary>
    public string WithoutScratchpad { get; init; } = "";
}
