namespace RlHarness.Models.Fidelity;

/// <summary>
/// The errors that two right implementations may differ by in fp32. Where values are large (the residual stream of a real model, logits of many layers),
/// rounding grows with them: then 1e-5 of the largest reference value counts instead.
/// </summary>
public static class Tolerances
{
    public const double Logits = 1e-4;
    public const double HiddenStates = 1e-3;
    public const double Logprobs = 1e-3;

    /// <summary>Norm of the difference over norm of the reference.</summary>
    public const double Gradients = 1e-3;
    public const double Loss = 1e-4;

    /// <summary>Part of the largest reference value.</summary>
    public const double Relative = 1e-5;

    /// <summary>Two logits closer than this are a tie, which rounding decides: each may be off by <see cref="Logprobs"/>.</summary>
    public const double NearTie = 2 * Logprobs;

    /// <summary>The larger of an absolute bound and <see cref="Relative"/> of the largest reference value.</summary>
    public static double For(double absolute, double largest) => Math.Max(absolute, Relative * largest);
}
