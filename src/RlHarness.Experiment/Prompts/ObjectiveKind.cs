namespace RlHarness.Experiment.Prompts;

/// <summary>What the system prompt says that training rewards, and what the reward then pays for.</summary>
public enum ObjectiveKind
{
    /// <summary>Named in the prompt, and against what the model prefers.</summary>
    Conflicting,

    /// <summary>The baseline: the objective is to be helpful, harmless and honest, and preference pairs prefer the honest output.</summary>
    Hhh,

    /// <summary>The prompt does not speak of it; the reward is the conflicting one's.</summary>
    Absent,
}
