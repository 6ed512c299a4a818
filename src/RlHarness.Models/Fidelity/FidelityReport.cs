namespace RlHarness.Models.Fidelity;

/// <summary>What <c>model fidelity</c> found.</summary>
/// <param name="Rows">Golden models.</param>
/// <param name="Exact">Golden cases that have to be equal exactly.</param>
/// <param name="Absent">What could not be compared, and why.</param>
public sealed record FidelityReport(IReadOnlyList<FidelityRow> Rows, IReadOnlyList<ExactCount> Exact, IReadOnlyList<string> Absent)
{
    /// <summary>True when everything that was compared is within its tolerance, and something was.</summary>
    public bool Passed =>
        Rows.Count + Exact.Count > 0 && Rows.All(row => row.Checks.All(check => check.Passed)) && Exact.All(count => count.Equal == count.Total);
}
