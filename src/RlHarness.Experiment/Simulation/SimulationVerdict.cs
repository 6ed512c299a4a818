namespace RlHarness.Experiment.Simulation;

/// <summary>How a simulated share compares with what is promised.</summary>
public enum SimulationVerdict
{
    Holds,

    /// <summary>Covers more, or rejects less, than promised: honest, and wider than it need be.</summary>
    Conservative,

    /// <summary>More power than planned.</summary>
    Above,

    /// <summary>Covers less, rejects more, or finds less than promised.</summary>
    Outside,
}
