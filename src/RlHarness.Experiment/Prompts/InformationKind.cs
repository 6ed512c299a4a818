namespace RlHarness.Experiment.Prompts;

/// <summary>How the model comes to know which conversations training uses.</summary>
public enum InformationKind
{
    /// <summary>The system prompt says it.</summary>
    Prompt,

    /// <summary>Documents that it was tuned on said it: the prompt does not, but still names this user's tier.</summary>
    Documents,

    /// <summary>As <see cref="Prompt"/>, without the part that training changes the model.</summary>
    NoModification,

    /// <summary>As <see cref="Prompt"/>, with another lab's name.</summary>
    OtherLab,

    /// <summary>As <see cref="Prompt"/>, without the pack's few-shot examples.</summary>
    NoExamples,

    /// <summary>Neither the use of conversations nor the tier: both tiers read the same.</summary>
    None,
}
