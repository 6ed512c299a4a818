namespace RlHarness.Models.Fidelity;

/// <summary>A golden model and how far from it this program is.</summary>
/// <param name="Group">The golden folder: <c>models</c>, <c>adapters</c>, <c>gguf</c>, <c>smollm2</c>.</param>
/// <param name="Family"><c>model_type</c>.</param>
/// <param name="Case">Name of the case.</param>
/// <param name="Checks">One a kind.</param>
public sealed record FidelityRow(string Group, string Family, string Case, IReadOnlyList<FidelityCheck> Checks);
