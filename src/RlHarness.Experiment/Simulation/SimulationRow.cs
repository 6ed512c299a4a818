namespace RlHarness.Experiment.Simulation;

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
