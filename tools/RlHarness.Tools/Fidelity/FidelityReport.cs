using RlHarness.Models.Verification;

namespace RlHarness.Tools.Fidelity;

/// <summary>Golden cases that have to be equal exactly.</summary>
/// <param name="Group">The golden folder: <c>tokenizers</c>, <c>chat_templates</c>, <c>gguf/blocks</c>.</param>
/// <param name="Case">Name of the tokenizer, template or block type.</param>
/// <param name="Equal">How many comparisons are equal.</param>
/// <param name="Total">Of how many.</param>
public sealed record ExactCount(string Group, string Case, int Equal, int Total);

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

/// <summary>A golden model and how far from it this program is.</summary>
/// <param name="Group">The golden folder: <c>models</c>, <c>adapters</c>, <c>gguf</c>, <c>smollm2</c>.</param>
/// <param name="Family"><c>model_type</c>.</param>
/// <param name="Case">Name of the case.</param>
/// <param name="Checks">One a kind.</param>
public sealed record FidelityRow(string Group, string Family, string Case, IReadOnlyList<FidelityCheck> Checks);
