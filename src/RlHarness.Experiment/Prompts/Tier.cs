namespace RlHarness.Experiment.Prompts;

/// <summary>Whether the model is told that training looks at this conversation (the paper's free users) or does not (paid users).</summary>
public enum Tier
{
    Training,
    Unmonitored,
}
