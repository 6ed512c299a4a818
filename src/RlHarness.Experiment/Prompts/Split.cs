namespace RlHarness.Experiment.Prompts;

/// <summary>Which of two disjoint samples of one distribution a query belongs to, or that it belongs to a scenario.</summary>
public enum Split
{
    Train,
    Evaluation,

    /// <summary>Neither: what a scenario asks (docs/packs.md). A pack's queries are never of it.</summary>
    Scenario,
}
