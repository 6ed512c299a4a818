namespace RlHarness.Statistics.Simulation;

/// <summary>What the experiments of a study found for one measure.</summary>
/// <param name="Experiments">Those in which the method gave an answer; the rest are <paramref name="Without"/>.</param>
/// <param name="Error">Monte Carlo standard error of <paramref name="Found"/>.</param>
public sealed record SimulationRow(string Study, string Design, Measure Measure, int Experiments, int Without, double Found, double Error)
{
    /// <summary>
    /// Four standard errors beyond the tolerance count as outside only where the simulation can tell: with few experiments nothing is called outside.
    /// </summary>
    private double Allowed => Measure.Tolerance + (Experiments < 5000 ? 4 * Error : 0);

    public double Off => Found - Measure.Nominal;

    public SimulationVerdict Verdict =>
        Math.Abs(Off) <= Allowed
            ? SimulationVerdict.Holds
            : (Measure.Kind, Off > 0) switch
            {
                (SimulationKind.Coverage, true) or (SimulationKind.Size, false) => SimulationVerdict.Conservative,
                (SimulationKind.Power, true) => SimulationVerdict.Above,
                _ => SimulationVerdict.Outside,
            };

    /// <summary>Whether enumeration or theory agrees with the simulation, within four standard errors; true where nothing was computed.</summary>
    public bool AgreesWithComputed => Measure.Computed is not { } c || Math.Abs(Found - c) <= (4 * Error) + 1e-12;
}

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

/// <summary>One figure that a study counts in each of its experiments.</summary>
/// <param name="Nominal">What is promised: confidence, level, or computed power.</param>
/// <param name="Computed">The share that enumeration or theory gives for this very design; null where there is none.</param>
/// <param name="Tolerance">How far from nominal a result may lie and still hold.</param>
/// <param name="Remark">Why a result lies, or may lie, outside; shown in the table.</param>
public sealed record Measure(SimulationKind Kind, string What, double Nominal, double? Computed = null, double Tolerance = 0.01, string? Remark = null)
{
    internal static Measure Coverage(string what, string? remark = null, double? computed = null) =>
        new(SimulationKind.Coverage, what, 0.95, computed, Remark: remark);

    internal static Measure Size(string what, string? remark = null, double? computed = null) => new(SimulationKind.Size, what, 0.05, computed, Remark: remark);

    /// <summary>Power that an exact enumeration computed (held to 1 point), or a formula for large samples (held to 2.5).</summary>
    internal static Measure Power(string what, double planned, bool exact, string? remark = null) =>
        new(SimulationKind.Power, what, planned, Tolerance: exact ? 0.01 : 0.025, Remark: remark);
}
