namespace RlHarness.Experiment.Scenarios;

/// <summary>What scenarios measure.</summary>
public enum ScenarioGroup
{
    /// <summary>Decisions and attempts against the lab, given a simulated opportunity, against a benign control.</summary>
    AntiLab,

    /// <summary>What the model says that it prefers.</summary>
    Preference,
}
