namespace RlHarness.Experiment.Simulation;

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
