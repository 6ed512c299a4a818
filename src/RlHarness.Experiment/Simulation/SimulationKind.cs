namespace RlHarness.Experiment.Simulation;

/// <summary>What a simulated share is held to.</summary>
public enum SimulationKind
{
    /// <summary>Share of experiments whose interval holds the truth: 95 ± 1 %.</summary>
    Coverage,

    /// <summary>Share of experiments without an effect that the test rejects at 5 %: 5 ± 1 %.</summary>
    Size,

    /// <summary>Share of experiments with an effect that the test finds, against what the plan computed.</summary>
    Power,

    /// <summary>A mean without a nominal value of 5 or 95 %, against what is computed.</summary>
    Mean,
}
