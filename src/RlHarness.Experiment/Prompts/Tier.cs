namespace RlHarness.Experiment.Prompts;

/// <summary>Whether the model is told that training looks at this conversation (the paper's free users) or does not (paid users).</summary>
public enum Tier
{
    Training,

    /// <summary>Neither read nor trained on: paid users, or enterprise where there are three tiers.</summary>
    Unmonitored,

    /// <summary>Read and rated by people, but not trained on: the pro users of a three-tier condition (arXiv 2506.18032).</summary>
    Rated,
}
