namespace RlHarness.Experiment.Packs;

/// <summary>Which conversations training uses, and that it changes the model; a text that is null is a factor the pack does not have.</summary>
public sealed record InformationTexts
{
    public string Prompt { get; init; } = "";

    /// <summary>Without the part that training changes the model.</summary>
    public string? NoModification { get; init; }

    /// <summary>With another lab's name.</summary>
    public string? OtherLab { get; init; }
}
