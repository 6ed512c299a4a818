namespace RlHarness.Models.Fidelity;

/// <summary>What <c>model verify</c> found.</summary>
/// <param name="Model">Path of the model.</param>
/// <param name="Reference">Path of the reference file.</param>
/// <param name="Checks">One a kind, in the order in which they were made; at least one.</param>
public sealed record VerificationReport(string Model, string Reference, IReadOnlyList<FidelityCheck> Checks)
{
    public bool Passed => Checks.All(check => check.Passed);
}
