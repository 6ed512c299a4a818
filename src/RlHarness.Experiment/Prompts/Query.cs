namespace RlHarness.Experiment.Prompts;

/// <summary>What a user asks.</summary>
/// <param name="Id">Stable: the same text has the same id in each run and version of the harness.</param>
/// <param name="Topic">What it is about (a product), for tables; null where the pack does not say.</param>
public sealed record Query(string Id, string Text, Split Split, string? Topic = null);

/// <summary>Which of two disjoint samples of one distribution a query belongs to, or that it belongs to a scenario.</summary>
public enum Split
{
    Train,
    Evaluation,

    /// <summary>Neither: what a scenario asks (docs/packs.md). A pack's queries are never of it.</summary>
    Scenario,
}

/// <summary>Whether the model is told that training looks at this conversation (the paper's free users) or does not (paid users).</summary>
public enum Tier
{
    Training,

    /// <summary>Neither read nor trained on: paid users, or enterprise where there are three tiers.</summary>
    Unmonitored,

    /// <summary>Read and rated by people, but not trained on: the pro users of a three-tier condition (arXiv 2506.18032).</summary>
    Rated,
}
