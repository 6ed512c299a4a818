namespace RlHarness.Models.Fidelity;

/// <summary>One kind of value, compared with what another implementation computed.</summary>
/// <param name="Kind">What is compared, with the name of its tensors in the reference file.</param>
/// <param name="Error">The largest error, in <paramref name="Unit"/>.</param>
/// <param name="Tolerance">The largest error that is allowed.</param>
/// <param name="Unit"><c>absolute</c>; <c>relative</c>: norm of the difference over norm of the reference; <c>tokens</c>: how many differ.</param>
/// <param name="Compared">How many numbers were compared.</param>
/// <param name="Where">The tensor with the largest error, where a kind has several; else null.</param>
public sealed record FidelityCheck(string Kind, double Error, double Tolerance, string Unit, long Compared, string? Where = null)
{
    /// <summary>False also for an error that is not a number.</summary>
    public bool Passed => Error <= Tolerance;
}
